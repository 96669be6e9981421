package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/udfpb"
)

// Describe starts an executable once and asks for its functions, pinned by its digest. Name is the exported name.
func Describe(ctx context.Context, exe string) (functions []plan.Function, err error) {
	sha, err := Digest(exe)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "quern-plugin-")
	if err != nil {
		return nil, fmt.Errorf("describe plugin %s: %w", exe, err)
	}
	defer os.RemoveAll(dir)
	h, err := New(Options{CacheDir: dir, Fetch: func(context.Context, string) (io.ReadCloser, error) { return os.Open(exe) }})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	run, err := h.acquire(ctx, kind{sha256: sha, limits: h.opts.Limits})
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("describe plugin %s: %w", exe, err)
	}
	if err != nil {
		return nil, plan.Failf(plan.FailureUser, "describe plugin %s: %w", exe, err)
	}
	defer h.discard(run)
	for _, d := range run.ordered {
		fn, err := pinned(d, sha)
		if err != nil {
			return nil, plan.Failf(plan.FailureUser, "describe plugin %s: %w", exe, err)
		}
		functions = append(functions, fn)
	}
	return functions, nil
}

// pinned is a described function as a plan has it.
func pinned(d *udfpb.Function, sha string) (plan.Function, error) {
	fn := plan.Function{Name: d.GetName(), Export: d.GetName(), Nullable: d.GetNullable(), SHA256: sha}
	if d.GetKind() != udfpb.FunctionKind_FUNCTION_KIND_SCALAR {
		return fn, fmt.Errorf("function %s: this build runs scalar functions only", d.GetName())
	}
	var err error
	if fn.Returns, err = parseType(d.GetReturns()); err != nil {
		return fn, fmt.Errorf("function %s: %w", d.GetName(), err)
	}
	for _, a := range d.GetArgs() {
		t, err := parseType(a)
		if err != nil {
			return fn, fmt.Errorf("function %s: %w", d.GetName(), err)
		}
		fn.Args = append(fn.Args, t)
	}
	return fn, nil
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

// sameSignature compares what a process describes with what a job was planned with.
func sameSignature(d *udfpb.Function, fn plan.Function) bool {
	got, err := pinned(d, fn.SHA256)
	if err != nil || len(got.Args) != len(fn.Args) || !got.Returns.Equal(fn.Returns) || got.Nullable != fn.Nullable {
		return false
	}
	for i, t := range got.Args {
		if !t.Equal(fn.Args[i]) {
			return false
		}
	}
	return true
}

// signature is a function's signature for people.
func signature(fn any) string {
	switch fn := fn.(type) {
	case *udfpb.Function:
		return fmt.Sprintf("(%s) %s, nullable %t", strings.Join(fn.GetArgs(), ", "), fn.GetReturns(), fn.GetNullable())
	case plan.Function:
		args := make([]string, len(fn.Args))
		for i, t := range fn.Args {
			args[i] = t.String()
		}
		return fmt.Sprintf("(%s) %s, nullable %t", strings.Join(args, ", "), fn.Returns, fn.Nullable)
	}
	return fmt.Sprintf("%v", fn)
}
