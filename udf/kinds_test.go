package udf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/quern-engine/quern/udf/udfpb"
)

// connect serves functions and gives the other end.
func connect(t *testing.T, functions ...Function) udfpb.PluginClient {
	t.Helper()
	s, err := newServer(functions)
	if err != nil {
		t.Fatal(err)
	}
	listener, g := bufconn.Listen(1<<16), grpc.NewServer()
	udfpb.RegisterPluginServer(g, s)
	go g.Serve(listener)
	t.Cleanup(g.Stop)
	conn, err := grpc.NewClient("passthrough:///plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return udfpb.NewPluginClient(conn)
}

// open opens a function as instance 1.
func open(t *testing.T, c udfpb.PluginClient, req *udfpb.OpenRequest) {
	t.Helper()
	req.Instance = 1
	reply, err := c.Open(t.Context(), req)
	if err != nil || reply.GetRefusal() != nil {
		t.Fatalf("open: %v, %v", err, reply.GetRefusal())
	}
}

type pair struct {
	Key   int64
	Value *string
}

func pairs(t *testing.T, rows ...pair) *udfpb.Payload {
	t.Helper()
	c, err := rowsOf[pair]()
	if err != nil {
		t.Fatal(err)
	}
	rec := c.build(rows, nil)
	defer rec.Release()
	p, err := udfpb.NewPayload(rec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func text(s string) *string { return &s }

// runTable sends batches and shows what comes back: rows as "key=value", failures as "!batch.row", the last done as "#n".
func runTable(t *testing.T, f Function, batches ...*udfpb.TableRequest) string {
	t.Helper()
	c := connect(t, f)
	open(t, c, &udfpb.OpenRequest{Function: f.describe.Name})
	stream, err := c.Table(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range append([]*udfpb.TableRequest{{Instance: 1}}, batches...) {
		if err := stream.Send(b); err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var out []string
	for done := uint64(0); ; {
		reply, err := stream.Recv()
		if err == io.EOF {
			return strings.Join(append(out, fmt.Sprintf("#%d", done)), " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		if reply.GetDone() < done {
			t.Errorf("done went from %d to %d", done, reply.GetDone())
		}
		done = reply.GetDone()
		if reply.GetRows() != nil {
			out = append(out, pairText(t, reply.GetRows())...)
		}
		for _, f := range reply.GetFailures() {
			out = append(out, fmt.Sprintf("!%d.%d:%s", f.GetBatch(), f.GetRow(), f.GetMessage()))
		}
	}
}

func pairText(t *testing.T, p *udfpb.Payload) (out []string) {
	t.Helper()
	rec, err := p.Record(memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int(rec.NumRows()) {
		var cells []string
		for _, col := range rec.Columns() {
			cells = append(cells, col.ValueStr(i))
		}
		out = append(out, strings.Join(cells, "="))
	}
	return out
}

func TestEach(t *testing.T) {
	f := Each("repeat", func(_ *Context, p pair, emit func(pair)) error {
		for range p.Key {
			emit(p)
		}
		switch p.Key {
		case 3:
			return errors.New("three")
		case 4:
			panic("four")
		}
		return nil
	})
	got := runTable(t, f,
		&udfpb.TableRequest{Rows: pairs(t, pair{2, text("a")}, pair{3, nil}, pair{0, nil})},
		&udfpb.TableRequest{Rows: pairs(t, pair{1, nil}, pair{4, nil}, pair{1, text("b")})})
	if want := "2=a 2=a !0.1:three 1=(null) 1=b !1.1:four #2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTablePerGroup(t *testing.T) {
	// The first value of each group, and how many rows were read of it: no more than two.
	f := Table("firsts", PerGroup, func(_ *Context, rows iter.Seq[pair], emit func(pair)) error {
		n := 0
		var first pair
		for row := range rows {
			if n++; n == 1 {
				first = row
			}
			if n == 2 {
				break
			}
		}
		emit(pair{first.Key*10 + int64(n), first.Value})
		return nil
	})
	got := runTable(t, f,
		&udfpb.TableRequest{Rows: pairs(t, pair{1, text("a")}, pair{1, nil}, pair{1, nil}, pair{2, text("b")}), Groups: []uint32{0, 3}},
		&udfpb.TableRequest{Rows: pairs(t, pair{2, nil}, pair{2, nil})}, // the second group goes on
		&udfpb.TableRequest{Rows: pairs(t, pair{2, nil}, pair{3, text("c")}, pair{4, text("d")}), Groups: []uint32{1, 2}},
		&udfpb.TableRequest{Rows: pairs(t, pair{5, text("e")}), Groups: []uint32{0}})
	if want := "12=a 22=b 31=c 41=d 51=e #4"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := runTable(t, f); got != "#0" {
		t.Errorf("of no rows: %s", got)
	}
}

func TestTablePerPartition(t *testing.T) {
	count := Table("count_rows", PerPartition, func(_ *Context, rows iter.Seq[pair], emit func(pair)) error {
		n := int64(0)
		for row := range rows {
			if n++; row.Key == 99 {
				return errors.New("ninety-nine")
			}
		}
		emit(pair{Key: n})
		return nil
	})
	batch := &udfpb.TableRequest{Rows: pairs(t, pair{1, nil}, pair{1, nil})}
	for want, batches := range map[string][]*udfpb.TableRequest{
		"4=(null) #2":          {batch, batch},
		"0=(null) #0":          nil,
		"!1.-1:ninety-nine #1": {batch, {Rows: pairs(t, pair{99, nil})}},
	} {
		if got := runTable(t, count, batches...); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	columns := []Column{{Name: "key", Type: BigInt}, {Name: "value", Type: String, Nullable: true}}
	same := TableVector("same", PerPartition, columns, columns, func(_ *Context, batches iter.Seq[arrow.Record], emit func(arrow.Record)) error {
		for rec := range batches {
			rec.Retain()
			emit(rec)
		}
		return nil
	})
	if got := runTable(t, same, batch); got != "1=(null) 1=(null) #1" {
		t.Errorf("got %s", got)
	}
}

// mean is a state of columns, last one of JSON, joined one with methods of its own.
type (
	mean struct {
		Sum   float64
		Count int64
	}
	last   struct{ Seen []string }
	joined struct{ text string }
)

func (j *joined) MarshalBinary() ([]byte, error) { return []byte(j.text), nil }

func (j *joined) UnmarshalBinary(b []byte) error {
	j.text = string(b)
	return nil
}

// fold sends rows of groups, and gives the answer's rows.
func fold(t *testing.T, c udfpb.PluginClient, req *udfpb.FoldRequest, groups []int32, cols ...arrow.Array) (*udfpb.Payload, []string) {
	t.Helper()
	cols = append([]arrow.Array{fixed[int32](Int).build(nil, groups, nil)}, cols...)
	fields := make([]arrow.Field, len(cols))
	for i, col := range cols {
		fields[i] = arrow.Field{Name: "c", Type: col.DataType(), Nullable: true}
	}
	p, err := udfpb.NewPayload(array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(len(groups))))
	if err != nil {
		t.Fatal(err)
	}
	req.Instance, req.Rows = 1, p
	reply, err := c.Fold(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range reply.GetFailures() {
		return nil, []string{fmt.Sprintf("!%d:%s", f.GetRow(), f.GetMessage())}
	}
	return reply.GetGroups(), pairText(t, reply.GetGroups())
}

// twoPhases folds texts into two groups on two machines, merges the states, and tells the results of three groups.
func twoPhases[S any, R Value](t *testing.T, f Fold[S, string, R]) string {
	t.Helper()
	fn := Aggregate("f", f)
	c := connect(t, fn)
	open(t, c, &udfpb.OpenRequest{Function: "f"})
	update := func(groups []int32, texts ...string) []arrow.Array {
		p, _ := fold(t, c, &udfpb.FoldRequest{Step: udfpb.Step_STEP_UPDATE, Groups: 2}, groups, stringCodec().build(nil, texts, nil))
		rec, err := p.Record(memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		return rec.Columns()
	}
	here, there := update([]int32{0, 1, 0}, "a", "bb", "ccc"), update([]int32{0, 0}, "d", "e")
	both := make([]arrow.Array, len(here))
	for i := range here {
		var err error
		if both[i], err = array.Concatenate([]arrow.Array{here[i], there[i]}, memory.DefaultAllocator); err != nil {
			t.Fatal(err)
		}
	}
	_, rows := fold(t, c, &udfpb.FoldRequest{Step: udfpb.Step_STEP_MERGE, Groups: 3, Finish: true}, []int32{0, 1, 0, 1}, both...)
	return strings.Join(rows, " ")
}

func TestAggregateStates(t *testing.T) {
	got := twoPhases(t, Fold[mean, string, *float64]{
		Update: func(s *mean, v string) error { s.Sum += float64(len(v)); s.Count++; return nil },
		Merge:  func(s, behind *mean) error { s.Sum += behind.Sum; s.Count += behind.Count; return nil },
		Finish: func(s *mean) (*float64, error) {
			if s.Count == 0 {
				return nil, nil
			}
			v := s.Sum / float64(s.Count)
			return &v, nil
		},
	})
	if got != "1.5 2 (null)" {
		t.Errorf("columns: %s", got)
	}
	got = twoPhases(t, Fold[last, string, string]{
		Init:   func() last { return last{Seen: []string{"|"}} },
		Update: func(s *last, v string) error { s.Seen = append(s.Seen, v); return nil },
		Merge:  func(s, behind *last) error { s.Seen = append(s.Seen, behind.Seen...); return nil },
		Finish: func(s *last) (string, error) { return strings.Join(s.Seen, ""), nil },
	})
	if got != "||accc|de ||bb| |" {
		t.Errorf("JSON: %s", got)
	}
	got = twoPhases(t, Fold[joined, string, string]{
		Update: func(s *joined, v string) error { s.text += v; return nil },
		Merge:  func(s, behind *joined) error { s.text += behind.text; return nil },
		Finish: func(s *joined) (string, error) { return s.text, nil },
	})
	if got != "acccde bb " {
		t.Errorf("binary: %s", got)
	}
}

func TestAggregateArguments(t *testing.T) {
	type row struct {
		Value  int64
		Weight *int64
	}
	f := Aggregate("f", Fold[mean, row, int64]{
		Update: func(s *mean, r row) error {
			if r.Weight == nil {
				r.Weight = new(int64)
			}
			if r.Value == 13 {
				return errors.New("thirteen")
			}
			s.Count += r.Value * *r.Weight
			return nil
		},
		Merge:  func(*mean, *mean) error { return nil },
		Finish: func(s *mean) (int64, error) { return 100 / s.Count, nil },
	})
	c := connect(t, f)
	open(t, c, &udfpb.OpenRequest{Function: "f"})
	finish := func(values, weights arrow.Array) string {
		req := &udfpb.FoldRequest{Step: udfpb.Step_STEP_UPDATE, Groups: 1, Finish: true}
		_, rows := fold(t, c, req, make([]int32, values.Len()), values, weights)
		return strings.Join(rows, " ")
	}
	two := []bool{true, true}
	if got := finish(bigints([]bool{false, true}, 7, 5), bigints([]bool{true, true}, 2, 10)); got != "2" {
		t.Errorf("a row with a NULL argument counts: %s", got)
	}
	if got := finish(bigints(two, 1, 13), bigints(two, 1, 1)); got != "!1:thirteen" {
		t.Errorf("an error: %s", got)
	}
	if got := finish(bigints(two, 1, 1), bigints([]bool{false, false}, 0, 0)); !strings.HasPrefix(got, "!-1:runtime error") {
		t.Errorf("a panic of Finish: %s", got)
	}
}

func TestSource(t *testing.T) {
	f := Source("numbers",
		func(ctx *Context) ([]int64, error) { return []int64{2, 0, 10_000}, nil },
		func(ctx *Context, n int64, emit func(pair)) error {
			for i := range n {
				emit(pair{Key: i})
			}
			if n == 0 {
				return errors.New("nothing to make")
			}
			return nil
		})
	c := connect(t, f)
	open(t, c, &udfpb.OpenRequest{Function: "numbers"})
	split, err := c.Split(t.Context(), &udfpb.SplitRequest{Instance: 1})
	if err != nil || len(split.GetTasks()) != 3 {
		t.Fatalf("split: %v, %v", split, err)
	}
	read := func(task int, columns ...uint32) (rows []string, failure string) {
		stream, err := c.Read(t.Context(), &udfpb.ReadRequest{Instance: 1, Payload: split.GetTasks()[task].GetPayload(), Columns: columns})
		if err != nil {
			t.Fatal(err)
		}
		for {
			reply, err := stream.Recv()
			if err != nil {
				return rows, failure
			}
			if reply.GetRows() != nil {
				rows = append(rows, pairText(t, reply.GetRows())...)
			}
			for _, f := range reply.GetFailures() {
				failure = f.GetMessage()
			}
		}
	}
	if rows, failure := read(0, 1, 0); strings.Join(rows, " ") != "(null)=0 (null)=1" || failure != "" {
		t.Errorf("got %v, %s", rows, failure)
	}
	if rows, failure := read(1, 0); len(rows) != 0 || failure != "nothing to make" {
		t.Errorf("got %v, %s", rows, failure)
	}
	if rows, _ := read(2, 0); len(rows) != 10_000 || rows[9_999] != "9999" {
		t.Errorf("got %d rows", len(rows))
	}
	if rows, _ := read(2); len(rows) != 10_000 || rows[0] != "" {
		t.Errorf("of no columns: %d rows", len(rows))
	}
}

type limits struct {
	Most int64 `json:"most" doc:"not more than this"`
	Name string
}

func (l *limits) Validate() error {
	if l.Most > 100 {
		return fmt.Errorf("most is %d, and 100 at most", l.Most)
	}
	return nil
}

func TestOptionsAndFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	closed := make(chan string, 2)
	f := OpenScalar("f", func(ctx *Context) (func(int64) (int64, error), error) {
		content, err := os.ReadFile(ctx.File("model"))
		if err != nil {
			return nil, err
		}
		ctx.OnClose(func() error { closed <- "first"; return nil })
		ctx.OnClose(func() error { closed <- "second"; return nil })
		ctx.Log().With("of", "test").Info("opened", "size", len(content), "error", errors.New("none"))
		return func(v int64) (int64, error) {
			ctx.Count("rows", 1)
			return min(v, Options[limits](ctx).Most) + int64(len(content)), nil
		}, nil
	}, Takes(limits{Most: 7}), TakesFile("model", "any file"), MayTakeFile("more", "another"))
	c := connect(t, f)
	files := []*udfpb.SideFile{{Name: "model", Path: path}}
	for options, want := range map[string]string{
		`{"most":"x"}`:  "/most: option most: a JSON string is no integer",
		`{"least":1}`:   `/least: the function has no option "least"`,
		`{"most":101}`:  ": most is 101, and 100 at most",
		`[]`:            ": options: json: cannot unmarshal array",
		`{"most":1} {}`: ": options: more than one JSON value",
	} {
		reply, err := c.Bind(t.Context(), &udfpb.BindRequest{Function: "f", Options: options, Files: files})
		if err != nil {
			t.Fatal(err)
		}
		if no := reply.GetRefusal(); !strings.HasPrefix(no.GetOption()+": "+no.GetMessage(), want) {
			t.Errorf("%s: refused with %v, want %s", options, no, want)
		}
	}
	for want, files := range map[string][]*udfpb.SideFile{
		`needs a file "model"`:  nil,
		`takes no file "other"`: {files[0], {Name: "other", Path: path}},
	} {
		reply, err := c.Open(t.Context(), &udfpb.OpenRequest{Instance: 9, Function: "f", Files: files})
		if err != nil || !strings.Contains(reply.GetRefusal().GetMessage(), want) {
			t.Errorf("got %v, %v; want %s", reply, err, want)
		}
	}
	reply, err := c.Open(t.Context(), &udfpb.OpenRequest{Instance: 1, Function: "f", Options: `{"Name":"x"}`, Files: files})
	if err != nil || reply.GetRefusal() != nil {
		t.Fatal(reply, err)
	}
	if schema := reply.GetFunction().GetOptionsSchema(); schema != `{"additionalProperties":false,"properties":{"Name":{"type":"string"},`+
		`"most":{"default":7,"description":"not more than this","type":"integer"}},"type":"object"}` {
		t.Errorf("schema %s", schema)
	}
	if logs := reply.GetReport().GetLogs(); len(logs) != 1 || logs[0].GetMessage() != "opened" ||
		logs[0].GetAttributes() != `{"error":"none","of":"test","size":5}` {
		t.Errorf("logged %v", logs)
	}
	args, err := encode(bigints(nil, 1, 9))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Call(t.Context(), &udfpb.CallRequest{Instance: 1, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	if rows := pairText(t, answer.GetColumn()); strings.Join(rows, " ") != "6 12" || answer.GetReport().GetCounters()["rows"] != 2 {
		t.Errorf("got %v, %v", rows, answer.GetReport())
	}
	if _, err := c.Close(t.Context(), &udfpb.CloseRequest{Instance: 1}); err != nil {
		t.Fatal(err)
	}
	if a, b := <-closed, <-closed; a != "second" || b != "first" {
		t.Errorf("closed %s, %s", a, b)
	}
	if _, err := c.Call(t.Context(), &udfpb.CallRequest{Instance: 1, Args: args}); err == nil {
		t.Error("a closed instance answers")
	}
}

func TestEveryRow(t *testing.T) {
	f := ScalarE("f", func(v int64) (int64, error) {
		switch {
		case v%3 == 1:
			return 0, fmt.Errorf("refused %d", v)
		case v%3 == 2:
			panic(v)
		}
		return v, nil
	})
	c := connect(t, f)
	open(t, c, &udfpb.OpenRequest{Function: "f"})
	args, err := encode(bigints(nil, 0, 1, 2, 3, 4))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := c.Call(t.Context(), &udfpb.CallRequest{Instance: 1, Args: args, EveryRow: true})
	if err != nil {
		t.Fatal(err)
	}
	if rows := pairText(t, reply.GetColumn()); strings.Join(rows, " ") != "0 (null) (null) 3 (null)" {
		t.Errorf("got %v", rows)
	}
	var failed []string
	for _, f := range reply.GetFailures() {
		failed = append(failed, fmt.Sprintf("%d:%s:%t", f.GetRow(), f.GetMessage(), f.GetPanicked()))
	}
	if strings.Join(failed, " ") != "1:refused 1:false 2:2:true 4:refused 4:false" {
		t.Errorf("failures: %v", failed)
	}
}

// hidden has a field that does not travel.
type hidden struct {
	A int64
	b int64
}

func TestRowTypes(t *testing.T) {
	type twice struct {
		UserID int64
		Other  int64 `udf:"user_id"`
	}
	type odd struct{ C chan int }
	for want, f := range map[string]Function{
		"field b ":                    Each("f", func(*Context, hidden, func(pair)) error { return nil }),
		"are column user_id":          Each("f", func(*Context, pair, func(twice)) error { return nil }),
		"which is no column":          Each("f", func(*Context, odd, func(pair)) error { return nil }),
		"use a struct":                Each("f", func(*Context, int64, func(pair)) error { return nil }),
		"field b does not travel":     Aggregate("f", Fold[hidden, int64, int64]{Finish: func(h *hidden) (int64, error) { return h.b, nil }}),
		"a chan does not travel":      Aggregate("f", Fold[odd, int64, int64]{}),
		"options of type int64":       Scalar("f", func(v int64) int64 { return v }, Takes(int64(1))),
		"arguments: rows of type int": Aggregate("f", Fold[mean, int, int64]{}),
	} {
		if _, err := newServer([]Function{f}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for name, want := range map[string]string{"UserID": "user_id", "ID": "id", "HTTPCode": "http_code", "At": "at", "A_b": "a_b", "X2": "x2"} {
		if got := snake(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
