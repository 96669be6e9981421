package sql

import "strings"

// specialCallName is the text of functions that Spark does not show as calls, "" for the others.
func specialCallName(name string, args []string) string {
	switch len(args) {
	case 1:
		switch name {
		case "isnull":
			return "(" + args[0] + " IS NULL)"
		case "isnotnull":
			return "(" + args[0] + " IS NOT NULL)"
		case "positive":
			return "(+ " + args[0] + ")"
		case "boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "date", "timestamp", "binary", "string":
			return args[0] // a cast, which does not show
		}
	case 2:
		switch name {
		case "datepart":
			return name + "(" + args[0] + " FROM " + args[1] + ")"
		case "div":
			return "(" + args[0] + " div " + args[1] + ")"
		case "like":
			return args[0] + " LIKE " + args[1]
		case "trim":
			return "TRIM(BOTH " + args[0] + " FROM " + args[1] + ")"
		case "ltrim":
			return "TRIM(LEADING " + args[0] + " FROM " + args[1] + ")"
		case "rtrim":
			return "TRIM(TRAILING " + args[0] + " FROM " + args[1] + ")"
		case "mode":
			if args[1] == "true" {
				return "mode() WITHIN GROUP (ORDER BY " + args[0] + " DESC)"
			}
		}
	case 3:
		switch name {
		case "if":
			return "(IF(" + strings.Join(args, ", ") + "))"
		case "like":
			return args[0] + " LIKE " + args[1] + " ESCAPE '" + args[2] + "'"
		}
	}
	return ""
}

// shownName is the name under which a function appears.
func shownName(name string, e *Call) string {
	switch name {
	case "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "cot", "csc", "degrees", "e", "exp", "expm1",
		"hypot", "log", "log10", "log1p", "log2", "pi", "power", "radians", "regexp", "regexp_like", "rlike", "sec", "signum", "sin", "sinh",
		"spark_partition_id", "sqrt", "tan", "tanh", "rank", "dense_rank", "percent_rank":
		return strings.ToUpper(name)
	case "ceil", "floor":
		if len(e.Args) == 1 {
			return strings.ToUpper(name)
		}
	case "array_agg":
		return "collect_list"
	case "session_user":
		if e.Bare {
			return "current_user"
		}
	case "curdate":
		return "current_date"
	case "current_database":
		return "current_schema"
	case "random":
		return "rand"
	case "to_varchar":
		return "to_char"
	case "string_agg":
		if e.WithinGroup != nil {
			return "listagg"
		}
	case "first_value", "last_value":
		if e.IgnoreNulls != nil {
			return strings.TrimSuffix(name, "_value")
		}
	case "timestampadd", "dateadd", "date_add":
		if len(e.Args) == 3 {
			return "timestampadd"
		}
		return "date_add"
	case "timestampdiff", "datediff", "date_diff", "timediff":
		if len(e.Args) == 3 {
			return "timestampdiff"
		}
	}
	return name
}

// shownArguments is the arguments that a call shows: with the defaults of those that are missing, and without those
// that are options.
func shownArguments(name string, args []string) []string {
	switch name {
	case "approx_count_distinct", "first", "first_value", "last", "last_value", "any_value", "mode", "from_json", "from_csv", "to_json", "to_csv", "schema_of_json", "schema_of_csv":
		return args[:min(len(args), 1)]
	case "rank", "dense_rank", "percent_rank", "cume_dist":
		return nil
	case "log":
		if len(args) == 1 {
			return []string{"E()", args[0]}
		}
	case "convert_timezone":
		if len(args) == 2 {
			return []string{"current_timezone()", args[0], args[1]}
		}
	case "assert_true":
		if len(args) == 1 {
			return []string{args[0], "'" + args[0] + "' is not true!"}
		}
	}
	first, defaults := defaultArguments(name)
	if len(args) < first || len(args)-first >= len(defaults) {
		return args
	}
	return append(args, defaults[len(args)-first:]...)
}

// sortComparator is how array_sort compares unless it is told otherwise.
const sortComparator = "lambdafunction((IF(((namedlambdavariable() IS NULL) AND (namedlambdavariable() IS NULL)), 0, (IF((namedlambdavariable() IS NULL), 1, (IF((namedlambdavariable() IS NULL), -1, (IF((namedlambdavariable() < namedlambdavariable()), -1, (IF((namedlambdavariable() > namedlambdavariable()), 1, 0)))))))))), namedlambdavariable(), namedlambdavariable())"

// defaultArguments is the arguments that a function gives itself when they are missing, and how many stand before
// the first of them.
func defaultArguments(name string) (first int, defaults []string) {
	switch name {
	case "aggregate", "reduce":
		return 3, []string{"lambdafunction(namedlambdavariable(), namedlambdavariable())"}
	case "array_sort":
		return 1, []string{sortComparator}
	case "sort_array":
		return 1, []string{"true"}
	case "approx_percentile", "percentile_approx":
		return 2, []string{"10000"}
	case "percentile":
		return 2, []string{"1"}
	case "listagg", "string_agg":
		return 1, []string{"NULL"}
	case "hmac":
		return 2, []string{"SHA-256"}
	case "lag", "lead":
		return 1, []string{"1", "NULL"}
	case "aes_encrypt", "try_aes_encrypt":
		return 2, []string{"GCM", "DEFAULT", "", ""}
	case "aes_decrypt", "try_aes_decrypt":
		return 2, []string{"GCM", "DEFAULT", ""}
	case "from_unixtime", "to_unix_timestamp":
		return 1, []string{"yyyy-MM-dd HH:mm:ss"}
	case "unix_timestamp":
		return 0, []string{"current_timestamp()", "yyyy-MM-dd HH:mm:ss"}
	case "round", "bround":
		return 1, []string{"0"}
	case "locate", "position":
		return 2, []string{"1"}
	case "instr":
		return 3, []string{"1"}
	case "lpad", "rpad":
		return 2, []string{" "}
	case "make_dt_interval":
		return 0, []string{"0", "0", "0", "0.000000"}
	case "make_interval", "try_make_interval":
		return 0, []string{"0", "0", "0", "0", "0", "0", "0.000000"}
	case "make_ym_interval":
		return 0, []string{"0", "0"}
	case "mask":
		return 1, []string{"X", "x", "n", "NULL"}
	case "months_between":
		return 2, []string{"true"}
	case "overlay":
		return 3, []string{"-1"}
	case "regexp_extract", "regexp_extract_all":
		return 2, []string{"1"}
	case "regexp_instr":
		return 2, []string{"0"}
	case "regexp_replace":
		return 3, []string{"1"}
	case "replace":
		return 2, []string{""}
	case "sentences":
		return 1, []string{"", ""}
	case "split":
		return 2, []string{"-1"}
	case "str_to_map":
		return 1, []string{",", ":"}
	case "substr", "substring":
		return 2, []string{"2147483647"}
	}
	return 0, nil
}
