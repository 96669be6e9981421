// Command flights is a plugin with a function of each kind, for the flights in testdata.
package main

import "github.com/quern-engine/quern/udf"

func main() {
	udf.Serve(
		udf.OpenScalar2("late_probability", openModel, udf.Takes(modelOptions{Temperature: 1}),
			udf.TakesFile("model", "JSON with bias, distance and hour"),
			udf.Doc("how probable it is that a flight arrives late, by its distance and the hour of its departure")),
		udf.Aggregate("delay_p90", delayP90, udf.Doc("the delay that nine flights in ten stay below, to five minutes; NULL of no flights")),
		udf.Aggregate("weighted_mean", weightedMean, udf.Doc("the mean of values that count by their weights")),
		udf.Table("gaps", udf.PerGroup, gaps, udf.Takes(gapOptions{Minutes: 60}),
			udf.Doc("times without a departure, of the flights of one airport in order of time")),
		udf.Table("numbered", udf.PerPartition, numbered, udf.Doc("departures with their numbers")),
		udf.Each("endpoints", endpoints, udf.Doc("a row for each end of a flight")),
		udf.Source("calendar", months, days, udf.Takes(calendarOptions{}), udf.Doc("the days from one date to another, both included")),
	)
}
