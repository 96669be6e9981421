"""How likely a flight is to arrive late, by a model that train.py has made."""

import numpy as np
import skops.io

from quern_udf import BigInt, Context, Double, Int, Refuse, scalar

# What of scikit-learn a model may be made of, besides what skops trusts: others may run code when they are loaded.
TRUSTED = ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]


@scalar(name="late", files={"model": "a classifier of scikit-learn over distance, hour and weekday, saved by skops"}, skip_nulls=True)
class Late:
    """The probability that a flight arrives more than a quarter of an hour late."""

    def open(self, ctx: Context) -> None:
        path = ctx.files["model"]
        unknown = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
        if unknown:
            raise Refuse(f"the model has parts of types that are not trusted: {', '.join(sorted(unknown))}", file="model")
        self.model = skops.io.load(path, trusted=TRUSTED)
        ctx.log.info("model loaded", extra={"features": self.model.n_features_in_})

    def __call__(self, distance: BigInt, hour: Int, weekday: Int) -> Double:
        rows = np.column_stack([column.to_numpy() for column in (distance, hour, weekday)])
        return self.model.predict_proba(rows)[:, 1] if len(rows) else []
