package compute

import "strings"

// Refused tells why a function that Spark has is missing on purpose, for the hint of the error that says so; false for
// names that mean nothing here.
func Refused(name string) (reason string, ok bool) {
	name = strings.ToLower(name)
	for _, r := range refusals() {
		for _, n := range strings.Fields(r.names) {
			if n == name {
				return r.reason, true
			}
		}
	}
	return "", false
}

type refusal struct{ names, reason string }

func refusals() []refusal {
	return []refusal{
		{"rand random randn uniform randstr shuffle uuid", "a job gives the same rows every time it runs; derive the value from the data, as by xxhash64"},
		{"monotonically_increasing_id spark_partition_id input_file_name input_file_block_start input_file_block_length",
			"what it gives depends on how the work is cut up; use row_number(), or the virtual columns of the table"},
		{"xpath xpath_boolean xpath_double xpath_float xpath_int xpath_long xpath_number xpath_short xpath_string from_xml to_xml schema_of_xml",
			"XML is not supported"},
		{"collate collation collations", "strings compare byte by byte; use lower() or upper() to ignore letter case"},
		{"parse_json try_parse_json variant_get try_variant_get is_variant_null schema_of_variant to_variant_object variant_explode variant_explode_outer",
			"the type variant is not supported; use from_json with a schema, or get_json_object"},
		{"reflect java_method try_reflect", "there is no Java; write a plugin"},
		{"from_avro to_avro schema_of_avro from_protobuf to_protobuf", "Avro and Protobuf are not supported"},
	}
}
