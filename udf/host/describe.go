package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/udfpb"
)

// Plugin is an executable that was started to be asked about its functions. Close it.
type Plugin struct {
	// Path is the executable, SHA256 its hex digest.
	Path, SHA256 string
	// Library is what the plugin says that it is made with.
	Library string

	dir  string
	host *Host
	run  *running
}

// Ask starts an executable. It may read the files at some paths.
func Ask(ctx context.Context, exe string, readable ...string) (_ *Plugin, err error) {
	p := &Plugin{Path: exe}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.SHA256, err = Digest(exe); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "quern-plugin-"); err != nil {
		return nil, fmt.Errorf("describe plugin %s: %w", exe, err)
	}
	p.host, err = New(Options{CacheDir: p.dir, Fetch: func(context.Context, string) (io.ReadCloser, error) { return os.Open(exe) }})
	if err != nil {
		return nil, err
	}
	k := kind{sha256: p.SHA256, limits: p.host.opts.Limits}
	for _, path := range readable {
		if path, err = filepath.Abs(path); err != nil {
			return nil, p.failure(ctx, err)
		}
		k.files += path + "\n"
	}
	if p.run, err = p.host.acquire(ctx, k, p.host.opts.Log); err != nil {
		return nil, p.failure(ctx, err)
	}
	p.Library = p.run.library
	return p, nil
}

// Close ends the process.
func (p *Plugin) Close() {
	if p.host != nil {
		_ = p.host.Close() // its processes are gone
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir) // in the system's temporary folder
	}
}

func (p *Plugin) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("describe plugin %s: %w", p.Path, err)
	}
	return plan.Failf(plan.FailureUser, "describe plugin %s: %w", p.Path, err)
}

// Functions lists what the plugin offers, under the names that it gives them.
func (p *Plugin) Functions() ([]plan.Function, error) {
	var functions []plan.Function
	for _, d := range p.run.ordered {
		fn, err := pinned(d, p.SHA256)
		if err != nil {
			return nil, plan.Failf(plan.FailureUser, "describe plugin %s: %w", p.Path, err)
		}
		functions = append(functions, fn)
	}
	return functions, nil
}

// Describe starts an executable once and asks for its functions, pinned by its digest.
func Describe(ctx context.Context, exe string) ([]plan.Function, error) {
	p, err := Ask(ctx, exe)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Functions()
}

// Details is what a plugin tells people about a function.
type Details struct {
	Doc           string
	OptionsSchema string
	Files         []FileDetails
}

// FileDetails is a side file that a function may be given.
type FileDetails struct {
	Name, Doc string
	Optional  bool
}

// Details is what the plugin tells people about a function.
func (p *Plugin) Details(export string) Details {
	d := p.run.functions[export]
	out := Details{Doc: clip(d.GetDoc()), OptionsSchema: d.GetOptionsSchema()}
	for _, f := range d.GetFiles() {
		out.Files = append(out.Files, FileDetails{f.GetName(), clip(f.GetDoc()), f.GetOptional()})
	}
	return out
}

// Refusal is an error in the options or files that a job gives a function.
type Refusal struct {
	Message string
	Option  string // JSON Pointer; empty if it is not about one option
	File    string // name of the side file; empty if it is not about one
}

func (r *Refusal) Error() string { return r.Message }

// Bind asks for the function with options, and with side files by name, at paths on this machine. What it returns is
// pinned, a source function's tasks included. A *Refusal says what is wrong with options or files.
func (p *Plugin) Bind(ctx context.Context, export, options string, files map[string]string) (plan.Function, error) {
	fn := plan.Function{Name: export, Export: export, SHA256: p.SHA256}
	side, pins, err := localFiles(files)
	if err != nil {
		return fn, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.host.opts.StartTimeout)
	defer cancel()
	reply, err := p.run.rpc.Bind(ctx, &udfpb.BindRequest{Function: export, Options: options, Files: side})
	if err != nil {
		return fn, p.failure(ctx, fmt.Errorf("bind %s: %w%s", export, err, p.run.lastWords()))
	}
	if no := reply.GetRefusal(); no != nil {
		return fn, refusal(no)
	}
	if fn, err = pinned(reply.GetFunction(), p.SHA256); err != nil {
		return fn, p.failure(ctx, err)
	}
	fn.Options, fn.Files = options, pins
	if fn.Is(plan.FunctionSource) {
		fn.Tasks, err = p.split(ctx, fn, side)
	}
	return fn, err
}

func refusal(r *udfpb.Refusal) *Refusal {
	return &Refusal{Message: clip(r.GetMessage()), Option: clip(r.GetOption()), File: clip(r.GetFile())}
}

// split asks a source function for its tasks.
func (p *Plugin) split(ctx context.Context, fn plan.Function, files []*udfpb.SideFile) ([]plan.FunctionTask, error) {
	p.run.opened++ // nobody else uses this process
	opened, err := p.run.rpc.Open(ctx, &udfpb.OpenRequest{Instance: p.run.opened, Function: fn.Export, Options: fn.Options, Files: files})
	if err != nil {
		return nil, p.failure(ctx, fmt.Errorf("open %s: %w%s", fn.Export, err, p.run.lastWords()))
	}
	if no := opened.GetRefusal(); no != nil {
		return nil, refusal(no)
	}
	reply, err := p.run.rpc.Split(ctx, &udfpb.SplitRequest{Instance: p.run.opened})
	if err != nil {
		return nil, p.failure(ctx, fmt.Errorf("split %s: %w%s", fn.Export, err, p.run.lastWords()))
	}
	if failed := reply.GetFailures(); len(failed) > 0 {
		return nil, p.failure(ctx, fmt.Errorf("split %s: %s", fn.Export, clip(failed[0].GetMessage())))
	}
	if len(reply.GetTasks()) > udfpb.MaxTasks {
		return nil, p.failure(ctx, fmt.Errorf("split %s: %d tasks; at most %d", fn.Export, len(reply.GetTasks()), udfpb.MaxTasks))
	}
	tasks := []plan.FunctionTask{}
	for i, t := range reply.GetTasks() {
		if len(t.GetPayload()) > udfpb.MaxTask {
			return nil, p.failure(ctx, fmt.Errorf("split %s: task %d has %d bytes; at most %d", fn.Export, i, len(t.GetPayload()), udfpb.MaxTask))
		}
		const most = 1 << 50 // estimates, not to be believed
		tasks = append(tasks, plan.FunctionTask{Payload: t.GetPayload(), Rows: int64(min(t.GetRows(), most)), Bytes: int64(min(t.GetBytes(), most))})
	}
	return tasks, nil
}

// kinds are the kinds of function by their names in the protocol.
var kinds = map[udfpb.FunctionKind]plan.FunctionKind{
	udfpb.FunctionKind_FUNCTION_KIND_SCALAR: "", udfpb.FunctionKind_FUNCTION_KIND_TABLE: plan.FunctionTable,
	udfpb.FunctionKind_FUNCTION_KIND_AGGREGATE: plan.FunctionAggregate, udfpb.FunctionKind_FUNCTION_KIND_SOURCE: plan.FunctionSource,
}

var pers = map[udfpb.Per]plan.Per{
	udfpb.Per_PER_BATCH: plan.PerBatch, udfpb.Per_PER_PARTITION: plan.PerPartition, udfpb.Per_PER_GROUP: plan.PerGroup,
}

// pinned is a described function as a plan has it.
func pinned(d *udfpb.Function, sha string) (fn plan.Function, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("function %s: %w", clip(d.GetName()), err)
		}
	}()
	kind, known := kinds[d.GetKind()]
	if !known {
		return fn, fmt.Errorf("a function of kind %d, which this build does not know", d.GetKind())
	}
	fn = plan.Function{
		Name: d.GetName(), Export: d.GetName(), Kind: kind, Args: []plan.Type{}, Nullable: d.GetNullable(), Nondeterministic: d.GetNondeterministic(), SHA256: sha,
	}
	if fn.Is(plan.FunctionScalar) || fn.Is(plan.FunctionAggregate) {
		if fn.Returns, err = parseType(d.GetReturns()); err != nil {
			return fn, err
		}
	}
	for _, a := range d.GetArgs() {
		t, err := parseType(a)
		if err != nil {
			return fn, err
		}
		fn.Args = append(fn.Args, t)
	}
	if fn.State, err = fields(d.GetState()); err != nil {
		return fn, err
	}
	if fn.Input, err = fields(d.GetInput()); err != nil {
		return fn, err
	}
	if fn.Output, err = fields(d.GetOutput()); err != nil {
		return fn, err
	}
	return fn, complete(&fn, pers[d.GetPer()])
}

// complete checks that a function has what its kind needs.
func complete(fn *plan.Function, per plan.Per) error {
	switch {
	case fn.Is(plan.FunctionTable) && per == "":
		return fmt.Errorf("a table function has to say what it is called per")
	case fn.Is(plan.FunctionAggregate) && len(fn.State) == 0:
		return fmt.Errorf("an aggregate function needs a state")
	case (fn.Is(plan.FunctionTable) || fn.Is(plan.FunctionSource)) && len(fn.Output) == 0:
		return fmt.Errorf("it gives rows of no columns")
	case fn.Is(plan.FunctionTable) && len(fn.Input) == 0:
		return fmt.Errorf("it reads no columns")
	}
	if fn.Is(plan.FunctionTable) {
		fn.Per = per
	}
	return nil
}

func fields(columns []*udfpb.Column) ([]plan.Field, error) {
	var out []plan.Field
	seen := map[string]bool{}
	for _, c := range columns {
		t, err := parseType(c.GetType())
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", clip(c.GetName()), err)
		}
		name := strings.ToLower(c.GetName())
		if name == "" || seen[name] {
			return nil, fmt.Errorf("column name %q is empty, or there twice", clip(c.GetName()))
		}
		seen[name] = true
		out = append(out, plan.Field{Name: c.GetName(), Type: t, Nullable: c.GetNullable()})
	}
	return out, nil
}

// parseType reads a SQL type as plan.Type.String writes it.
func parseType(name string) (plan.Type, error) {
	var precision, scale int32
	if n, err := fmt.Sscanf(name, "decimal(%d,%d)", &precision, &scale); n == 2 && err == nil {
		t := plan.Decimal(precision, scale)
		if t.String() == name && precision >= 1 && precision <= plan.MaxPrecision && scale >= 0 && scale <= precision {
			return t, nil
		}
	}
	if t, ok := plan.ParseTypeName(name); ok && t.Kind != plan.KindNull && t.Kind != plan.KindDecimal {
		return t, nil
	}
	return plan.Type{}, fmt.Errorf("%q is no SQL type", name)
}
