package compute

import "github.com/quern-engine/quern/plan"

// dialect is what version() says: the release of Spark whose dialect this is.
const dialect = "4.0.0 quern"

// placeFunctions say where and for whom a query runs. There is one catalog and one user; the schema is known to the analyser alone,
// which answers for it before anything is computed.
func placeFunctions() []Function {
	constant := func(name, summary, value string, aliases ...string) Function {
		return Function{
			Name: name, Aliases: aliases, Usage: name + "()", Summary: summary, Example: name + "()", ExampleResult: value,
			resolve: neverNull(takes(returns(plan.String))),
			build: func(*binding) (node, error) {
				return newConst(plan.String, plan.Literal{Bytes: []byte(value)}), nil
			},
		}
	}
	return []Function{
		constant("current_catalog", "The catalog in which names of tables are looked up.", "spark_catalog"),
		constant("current_schema", "The schema in which names of tables are looked up.", "default", "current_database"),
		constant("current_user", "The user, who has the same name everywhere.", "quern", "user", "session_user"),
		constant("version", "The release of Spark whose dialect this is.", dialect),
	}
}
