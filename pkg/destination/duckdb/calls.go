package duckdb

import (
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// To be a SELECT is not enough. In this engine a SELECT may call table functions that log to files of one's choice,
// checkpoint, switch the parser, run SQL that arrives as text, or read memory at an address; the lock on external access
// does not hold for the database file itself; and some functions end the process. So a query's syntax tree is looked
// through before anything is bound: table functions must be on a list, and other functions must not be on one.
// surface_test.go compares the lists with what the engine has.

// tableFunctions are those that only compute, or describe what the database holds.
var tableFunctions = setOf(
	"generate_series", "json_each", "json_tree", "range", "repeat", "repeat_row", "summary", "test_all_types", "unnest",
	"icu_calendar_names", "pg_timezone_names",
	"duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_dependencies", "duckdb_functions", "duckdb_indexes",
	"duckdb_keywords", "duckdb_memory", "duckdb_optimizers", "duckdb_schemas", "duckdb_sequences", "duckdb_settings",
	"duckdb_table_sample", "duckdb_tables", "duckdb_types", "duckdb_views",
	"pragma_collations", "pragma_database_size", "pragma_metadata_info", "pragma_platform", "pragma_show",
	"pragma_storage_info", "pragma_table_info", "pragma_version",
)

// refusedFunctions are the other functions that a query must not call.
var refusedFunctions = setOf(
	// They do more than compute.
	"currval", "json_serialize_plan", "nextval", "pg_sleep", "setseed", "sleep_ms", "write_log",
	// They call themselves for each level of a document, so that one of some 50,000 levels, which a short query can make,
	// overflows the stack of the thread and ends the process.
	"json_contains", "json_group_structure", "json_merge_patch", "json_structure",
	// It reads the bytes of a value of refusedType as they are given.
	"variant_bytes_to_variant",
)

// refusedViews are the engine's own that ask table functions which are not on the list.
var refusedViews = setOf("duckdb_logs", "pg_prepared_statements")

// structured are the functions that make values of the structure that their second argument tells. They overflow the
// stack too, but by that argument alone, and while they are bound: a text that stands in the query can be looked at.
var structured = setOf("from_json", "from_json_strict", "json_transform", "json_transform_strict")

// maxLevels is how deep a structure may be.
const maxLevels = 100

// refusedType is one that documents become by calls for each level, too, and that fails inside the engine where others
// would fail as a query's mistake.
const refusedType = "VARIANT"

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// checkCalls walks a syntax tree and reports the first call that a query must not make.
func checkCalls(node any) error {
	switch n := node.(type) {
	case []any:
		for _, child := range n {
			if err := checkCalls(child); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := checkNode(n); err != nil {
			return err
		}
		for _, child := range n {
			if err := checkCalls(child); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkNode(n map[string]any) error {
	switch n["type"] {
	case "TABLE_FUNCTION":
		call, _ := n["function"].(map[string]any)
		if name := text(call, "function_name"); !tableFunctions[fold(name)] {
			return refused(name)
		}
	case "BASE_TABLE":
		if err := checkRelation(n); err != nil {
			return err
		}
	}
	if text(n, "id") == refusedType || n["type"] == "UNBOUND_TYPE_INFO" && strings.EqualFold(text(n, "name"), refusedType) {
		return fault.New(fault.Denied, "type_not_allowed", "queries may not make values of the type %s", refusedType)
	}
	return checkFunction(n)
}

// checkRelation refuses what is no table of the database. The engine takes a name that it does not find for that of a file, and
// its lock on external access is open for the folder in which queries spill.
func checkRelation(n map[string]any) error {
	name := text(n, "table_name")
	if refusedViews[fold(name)] {
		return fault.New(fault.Denied, "view_not_allowed", "queries may not read the engine's view %s", name)
	}
	for _, part := range [...]string{name, text(n, "schema_name"), text(n, "catalog_name")} {
		if strings.ContainsAny(part, `/\`) {
			return fault.New(fault.Denied, "external_access", "queries cannot reach files or the network: %s", part)
		}
	}
	return nil
}

func checkFunction(n map[string]any) error {
	name := text(n, "function_name")
	switch {
	case refusedFunctions[fold(name)]:
		return refused(name)
	case structured[fold(name)] && !plainStructure(n):
		return fault.New(fault.Denied, "function_not_allowed",
			"queries may call the function %s only with a structure that is a text in the query, of at most %d levels", name, maxLevels)
	}
	return nil
}

func refused(name string) error {
	return fault.New(fault.Denied, "function_not_allowed", "queries may not call the function %s", name)
}

// plainStructure reports whether a call's second argument is a text that is not too deep.
func plainStructure(call map[string]any) bool {
	args, _ := call["children"].([]any)
	if len(args) < 2 {
		return true // the engine says what is missing
	}
	arg, _ := args[1].(map[string]any)
	value, _ := arg["value"].(map[string]any)
	structure, isText := value["value"].(string)
	return isText && levels(structure) <= maxLevels
}

// levels gives how deep a JSON document is. What it gives of other texts does not matter: the engine refuses them.
func levels(document string) (most int) {
	depth, quoted := 0, false
	for i := 0; i < len(document); i++ {
		switch c := document[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			most = max(most, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return most
}

// text gives a member that is a text, else nothing.
func text(n map[string]any, key string) string {
	s, _ := n[key].(string)
	return s
}
