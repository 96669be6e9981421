// Command distance is a plugin with a function for the length of a flight.
package main

import (
	"fmt"

	"github.com/quern-engine/quern/udf"
)

func main() {
	udf.Serve(
		udf.ScalarE("distance_bucket", bucket, udf.Doc("short below 500 miles, medium below 1500, long otherwise")),
	)
}

func bucket(miles int64) (string, error) {
	switch {
	case miles < 0:
		return "", fmt.Errorf("a distance of %d miles", miles)
	case miles < 500:
		return "short", nil
	case miles < 1500:
		return "medium", nil
	}
	return "long", nil
}
