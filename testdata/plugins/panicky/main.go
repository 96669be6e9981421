// Command panicky is a plugin that goes wrong in every way a test needs.
package main

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/udf"
)

func main() {
	udf.Serve(
		udf.ScalarE("panics_on_13", panicsOn13, udf.Doc("its argument, but for 13")),
		udf.ScalarE("fails_on_13", failsOn13),
		udf.ScalarE("exits_on_13", exitsOn13),
		udf.ScalarE("hangs_on_13", hangsOn13),
		udf.Scalar("dies_on_13", diesOn13),
		udf.ScalarE("spawns", spawns),
		udf.OpenScalar("says", says, udf.Doc("its argument, which it prints and logs")),
		udf.Scalar("environment", os.Getenv),
		udf.Each("each_fails_on_13", eachWith(failsOn13)),
		udf.Each("each_dies_on_13", eachWith(func(v int64) (int64, error) { return diesOn13(v), nil })),
		udf.Table("group_fails_on_13", udf.PerGroup, sumWith(failsOn13)),
		udf.Table("group_dies_on_13", udf.PerGroup, sumWith(func(v int64) (int64, error) { return diesOn13(v), nil })),
		udf.Table("partition_fails_on_13", udf.PerPartition, sumWith(failsOn13)),
		udf.Vector("same_bigint", []udf.Type{udf.BigInt}, udf.BigInt, same),
		udf.Vector("same_string", []udf.Type{udf.String}, udf.String, same),
		udf.Vector("short_result", []udf.Type{udf.BigInt}, udf.BigInt, shortResult),
		udf.Vector("wrong_type", []udf.Type{udf.BigInt}, udf.String, wrongType),
		udf.Vector("unexpected_null", []udf.Type{udf.BigInt}, udf.BigInt, unexpectedNull),
	)
}

func panicsOn13(v int64) (int64, error) {
	if v == 13 {
		panic("thirteen")
	}
	return v, nil
}

func failsOn13(v int64) (int64, error) {
	if v == 13 {
		return 0, errors.New("thirteen")
	}
	return v, nil
}

func exitsOn13(v int64) (int64, error) {
	if v == 13 {
		fmt.Fprintln(os.Stderr, "thirteen is too much for me")
		os.Exit(3)
	}
	return v, nil
}

// diesOn13 panics where nothing can catch it.
func diesOn13(v int64) int64 {
	if v == 13 {
		go panic("thirteen, out of reach")
		select {}
	}
	return v
}

type number struct {
	V int64
}

// eachWith gives each row twice, the second time as what f makes of it.
func eachWith(f func(int64) (int64, error)) func(*udf.Context, number, func(number)) error {
	return func(_ *udf.Context, n number, emit func(number)) error {
		emit(n)
		v, err := f(n.V)
		emit(number{v})
		return err
	}
}

// sumWith gives the sum of a group, which a row may end.
func sumWith(f func(int64) (int64, error)) func(*udf.Context, iter.Seq[number], func(number)) error {
	return func(_ *udf.Context, rows iter.Seq[number], emit func(number)) error {
		sum := int64(0)
		for n := range rows {
			emit(number{-n.V})
			v, err := f(n.V)
			if err != nil {
				return err
			}
			sum += v
		}
		emit(number{sum})
		return nil
	}
}

func says(ctx *udf.Context) (func(int64) (int64, error), error) {
	return func(v int64) (int64, error) {
		fmt.Fprintln(os.Stderr, "this is row", v)
		ctx.Log().Warn("a row", "row", v)
		return v, nil
	}, nil
}

func hangsOn13(v int64) (int64, error) {
	if v == 13 {
		select {}
	}
	return v, nil
}

// spawns starts a process that outlives the function, and gives its id.
func spawns(seconds int64) (int64, error) {
	cmd := exec.Command("/bin/sleep", strconv.FormatInt(seconds, 10))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return int64(cmd.Process.Pid), nil
}

func same(args []arrow.Array) (arrow.Array, error) {
	args[0].Retain()
	return args[0], nil
}

func shortResult(args []arrow.Array) (arrow.Array, error) {
	return array.NewSlice(args[0], 0, int64(args[0].Len()-1)), nil
}

func wrongType(args []arrow.Array) (arrow.Array, error) {
	args[0].Retain()
	return args[0], nil
}

func unexpectedNull(args []arrow.Array) (arrow.Array, error) {
	return array.MakeArrayOfNull(memory.DefaultAllocator, args[0].DataType(), args[0].Len()), nil
}
