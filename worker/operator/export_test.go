package operator

// SetMaxGroups lowers the number of groups at which a partial aggregation puts out what it has.
func (o *Aggregate) SetMaxGroups(n int) { o.maxGroups = n }
