package task

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/worker/operator"
)

// rejects writes the rows that plugin functions of an attempt could not do, in the order in which they came: that of the
// rows, function by function. Its bytes depend on the rows alone. There is no file if there is no such row.
type rejects struct {
	store *storage.Store
	task  Task

	file    *storage.Writer // nil before the first row
	digest  *digestWriter
	buffer  *bufio.Writer
	rows    map[string]int64 // by function
	written string           // name of the file, once it is there
}

var _ operator.Rejects = (*rejects)(nil)

// rejectedRow is a line of the file.
type rejectedRow struct {
	Function string    `json:"function"`
	Reason   string    `json:"reason"`
	Stage    int       `json:"stage"`
	Task     int       `json:"task"`
	Row      int64     `json:"row"` // of those that the functions of the task were given, from 0
	Args     []*string `json:"args"`
	Input    []named   `json:"input"`
}

// named is a column's value, as SQL shows it; nil is NULL.
type named struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

// maxReason bounds the reason of one row.
const maxReason = 1000

// Reject adds a row.
func (r *rejects) Reject(ctx context.Context, function string, number int64, j plan.Rejection, input, args arrow.Record) error {
	if r.file == nil {
		if err := r.create(ctx); err != nil {
			return err
		}
	}
	line := rejectedRow{Function: function, Reason: j.Reason, Stage: r.task.Stage, Task: r.task.Task, Row: number, Args: []*string{}, Input: []named{}}
	if len(line.Reason) > maxReason {
		line.Reason = strings.ToValidUTF8(line.Reason[:maxReason], "") + "…"
	}
	for _, c := range args.Columns() {
		line.Args = append(line.Args, text(c, j.Row))
	}
	for i, c := range input.Columns() {
		line.Input = append(line.Input, named{input.ColumnName(i), text(c, j.Row)})
	}
	content, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode a rejected row: %w", err)
	}
	if _, err := r.buffer.Write(append(content, '\n')); err != nil {
		return fmt.Errorf("write rejected rows: %w", err)
	}
	r.rows[function]++
	return nil
}

func text(c arrow.Array, row int) *string {
	if vector.ValidityOf(c).IsNull(row) {
		return nil
	}
	s := vector.Format(c, row)
	return &s
}

func (r *rejects) name() string { return api.RejectsName(r.task.Stage, r.task.Task, r.task.Attempt) }

func (r *rejects) create(ctx context.Context) (err error) {
	if r.task.RejectsURL == "" {
		return fmt.Errorf("assignment %s: no place for rejected rows", r.task.AttemptID)
	}
	if r.file, err = r.store.Create(ctx, storage.Join(r.task.RejectsURL, r.name())); err != nil {
		return fmt.Errorf("create the file of rejected rows: %w", err)
	}
	r.digest = &digestWriter{file: r.file, hash: sha256.New()}
	r.buffer = bufio.NewWriter(r.digest)
	r.rows = map[string]int64{}
	return nil
}

// commit makes the file durable; it counts when the attempt does. Nil if there was no row.
func (r *rejects) commit(ctx context.Context) (*api.Rejects, error) {
	if r.file == nil {
		return nil, nil
	}
	if err := r.buffer.Flush(); err != nil {
		return nil, fmt.Errorf("write rejected rows: %w", err)
	}
	if err := r.file.Commit(ctx); err != nil {
		return nil, fmt.Errorf("write rejected rows: %w", err)
	}
	r.written = r.name()
	out := &api.Rejects{FileInfo: api.FileInfo{Name: r.written, Bytes: r.digest.bytes, SHA256: hex.EncodeToString(r.digest.hash.Sum(nil))}}
	for name, rows := range r.rows {
		out.Rows += rows
		out.Functions = append(out.Functions, api.FunctionRejects{Name: name, Rows: rows})
	}
	slices.SortFunc(out.Functions, func(a, b api.FunctionRejects) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// discard removes the file of an attempt that has failed.
func (r *rejects) discard() error {
	if r.file != nil {
		r.file.Discard()
	}
	if r.written == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), discardTimeout)
	defer cancel()
	if err := r.store.Delete(ctx, storage.Join(r.task.RejectsURL, r.written)); err != nil {
		return fmt.Errorf("remove rejected rows: %w", err)
	}
	return nil
}
