// Command plugin has the function that bench/udf measures, which is as trivial as can be: what is measured is the boundary.
package main

import "github.com/quern-engine/quern/udf"

func main() {
	udf.Serve(udf.Scalar("twice", func(v int64) int64 { return 2*v + 1 }))
}
