package operator

// SetLimits lowers the number of groups at which a partial aggregation puts out what it has, after how many rows it looks
// at that, how many rows it passes on ungrouped, and the number of groups of rows in order.
func (o *PartialAggregate) SetLimits(groups int, check, pass, sorted int64) {
	o.limits = partialLimits{groups, check, pass, sorted}
}

// SetFrameSizes makes large frames of small ones.
func (o *Window) SetFrameSizes(direct, block, fanOut, flush int) {
	for _, f := range o.calls {
		if s, ok := f.(*slidingAggregate); ok {
			s.sizes = frameSizes{direct, block, fanOut, flush}
		}
	}
}

// NoLaterThan is what a sort with a limit drops rows by.
var NoLaterThan = noLaterThan
