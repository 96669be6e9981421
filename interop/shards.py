"""A PyTorch dataset over the shards of a version, as docs/formats.md shows it."""

import pyarrow.parquet as pq
import torch
from torch.utils.data import IterableDataset, get_worker_info


class Shards(IterableDataset):
    """Rows as mappings, in the order of the manifest. Of n loader workers each takes every n-th shard."""

    def __init__(self, files, columns):
        self.files, self.columns = files, columns

    def __iter__(self):
        worker = get_worker_info()
        files = self.files[worker.id :: worker.num_workers] if worker else self.files
        for name in files:
            for batch in pq.ParquetFile(name).iter_batches(batch_size=512, columns=self.columns, use_threads=False):
                yield from batch.to_pylist()


def collate(rows):
    """Tensors of the numbers, and of each list its values, one row's behind the other's, with their lengths."""
    batch = {}
    for name in rows[0]:
        values = [r[name] for r in rows]
        if isinstance(values[0], list):
            batch[name] = torch.tensor([v for row in values for v in row], dtype=torch.int64)
            batch[name + "_length"] = torch.tensor([len(row) for row in values])
        else:
            batch[name] = torch.tensor(values)
    return batch
