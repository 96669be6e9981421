package plan

import (
	"slices"
	"strings"
)

// Switch is a setting of Spark's, true or false, that changes what statements mean.
type Switch string

// The switches that mean something here, by the keys that Spark gives them.
const (
	AllowPrecisionLoss          Switch = "spark.sql.decimalOperations.allowPrecisionLoss"
	NegativeIndexInArrayInsert  Switch = "spark.sql.legacy.negativeIndexInArrayInsert"
	ParameterlessCount          Switch = "spark.sql.legacy.allowParameterlessCount"
	StarOfTableInCount          Switch = "spark.sql.legacy.allowStarWithSingleTableIdentifierInCount"
	JavaCharsets                Switch = "spark.sql.legacy.javaCharsets"
	CodingErrorAction           Switch = "spark.sql.legacy.codingErrorAction"
	NullInEmptyList             Switch = "spark.sql.legacy.nullInEmptyListBehavior"
	LegacyCountOfNoRows         Switch = "spark.sql.optimizer.decorrelateExistsSubqueryLegacyIncorrectCountHandling.enabled"
	HavingWithoutGroupByAsWhere Switch = "spark.sql.legacy.parser.havingWithoutGroupByAsWhere"
	GroupByOrdinal              Switch = "spark.sql.groupByOrdinal"
	OrderByOrdinal              Switch = "spark.sql.orderByOrdinal"
	GroupByAliases              Switch = "spark.sql.groupByAliases"
)

// byDefault says how each switch stands unless a session turns it.
var byDefault = map[Switch]bool{
	AllowPrecisionLoss: true, GroupByOrdinal: true, OrderByOrdinal: true, GroupByAliases: true,
	NegativeIndexInArrayInsert: false, ParameterlessCount: false, StarOfTableInCount: false, JavaCharsets: false,
	CodingErrorAction: false, NullInEmptyList: false, LegacyCountOfNoRows: false, HavingWithoutGroupByAsWhere: false,
}

// FindSwitch finds a switch by its key, letter case ignored.
func FindSwitch(key string) (Switch, bool) {
	for s := range byDefault {
		if strings.EqualFold(string(s), key) {
			return s, true
		}
	}
	return "", false
}

// Is reports how a switch stands in the session.
func (s Session) Is(w Switch) bool { return byDefault[w] != slices.Contains(s.Turned, w) }

// With is the session with a switch on or off.
func (s Session) With(w Switch, on bool) Session {
	turned := slices.DeleteFunc(slices.Clone(s.Turned), func(t Switch) bool { return t == w })
	if on != byDefault[w] {
		turned = append(turned, w)
		slices.Sort(turned)
	}
	if s.Turned = turned; len(turned) == 0 {
		s.Turned = nil
	}
	return s
}

// Default reports how a switch stands unless a session turns it.
func (w Switch) Default() bool { return byDefault[w] }
