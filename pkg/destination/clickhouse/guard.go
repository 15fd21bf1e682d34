package clickhouse

import (
	"context"
	"strings"

	"github.com/scratchdata/scratchdata/pkg/fault"
)

// To be a SELECT is not enough, and neither is the server's readonly mode: a SELECT may read the server's files, ask other
// servers and write to buckets by functions, some of which work for read-only users too. So the server's own parser describes
// a query before it runs, and the functions in it are looked through.

// tableFunctions are those that only compute, or read what the database itself holds.
var tableFunctions = setOf("numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "generaterandom", "values",
	"null", "view", "primes", "dictionary", "merge", "mergetreeindex", "mergetreeprojection", "mergetreetextindex", "fuzzjson")

// refusedFunctions are table functions that a query must not call, wherever it names them, and scalar functions that do more
// than compute: those read files, ask other servers, wait, or tell what the server itself is set to.
var refusedFunctions = setOf("azureblobstorage", "azureblobstoragecluster", "cluster", "clusterallreplicas", "cosn", "deltalake", "deltalakeazure",
	"deltalakeazurecluster", "deltalakecluster", "deltalakelocal", "deltalakes3", "deltalakes3cluster", "eval", "executable", "file",
	"filecluster", "filesystem", "gcs", "hdfs", "hdfscluster", "hudi", "hudicluster", "hive", "iceberg", "icebergazure", "icebergazurecluster", "icebergcluster",
	"iceberghdfs", "iceberghdfscluster", "iceberglocal", "iceberglocalcluster", "icebergs3", "icebergs3cluster", "input", "jdbc", "loop",
	"mongodb", "mysql", "odbc", "oss", "paimon", "paimonazure", "paimonazurecluster", "paimoncluster", "paimonhdfs", "paimonhdfscluster",
	"paimonlocal", "paimons3", "paimons3cluster", "postgresql", "prometheusquery", "prometheusqueryrange", "python", "redis", "remote",
	"remotesecure", "s3", "s3cluster", "sqlite", "url", "urlcluster", "ytsaurus", "arrowflight",

	"addresstoline", "addresstolinewithinlines", "addresstosymbol", "aiclassify", "aiembed", "aiextract", "aigenerate", "aitranslate",
	"catboostevaluate", "generateserialid", "getclienthttpheader", "getmacro", "getserverport", "getserversetting", "hascolumnintable",
	"reversednsquery", "sleep", "sleepeachrow", "filesystemavailable", "filesystemcapacity", "filesystemunreserved", "zookeepersessionuptime")

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// check has the server parse sql, which it does not run, and refuses what is not one SELECT that stays inside.
func (d *Destination) check(ctx context.Context, sql string, params []param) error {
	if blank(sql) {
		return badSQL("the query is empty")
	}
	if strings.Contains(sql, "\x00") {
		return badSQL("the query has a NUL character")
	}
	var tree []string
	err := d.asker.each(ctx, "EXPLAIN AST "+sql, func(row []string) error {
		tree = append(tree, strings.Split(row[0], "\n")...)
		return nil
	}, params...)
	switch code := codeOf(err); {
	case code == codeSyntax && strings.Contains(err.Error(), "Multi-statements are not allowed"):
		return fault.New(fault.Denied, "multiple_statements", "a query must be one statement")
	case code == codeSyntax && notSelect(sql):
		return errNotSelect()
	case err != nil:
		return err
	}
	return checkTree(tree)
}

func errNotSelect() error {
	return fault.New(fault.Denied, "not_a_select", "a query must be a SELECT; nothing else is allowed here")
}

// notSelect reports whether a query that does not parse begins as one that changes something: then it is refused for that.
func notSelect(sql string) bool {
	for i := 0; i < len(sql); {
		end := tokenEnd(sql, i)
		if token := sql[i:end]; wordByte(token[0]) {
			switch strings.ToUpper(token) {
			case "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "EXCHANGE", "ATTACH", "DETACH", "GRANT", "REVOKE",
				"SYSTEM", "KILL", "OPTIMIZE", "SET", "USE", "BACKUP", "RESTORE", "MOVE", "UNDROP", "COPY":
				return true
			}
			return false
		}
		i = end
	}
	return false
}

// checkTree looks through the lines that describe a query, each a node that is indented by its depth.
func checkTree(tree []string) error {
	if len(tree) == 0 || !strings.HasPrefix(tree[0], "SelectWithUnionQuery") && !strings.HasPrefix(tree[0], "SelectIntersectExceptQuery") {
		return errNotSelect()
	}
	parent := ""
	for _, line := range tree {
		node := strings.TrimLeft(line, " ")
		depth := len(line) - len(node)
		if depth == 1 && (strings.HasPrefix(node, "Identifier ") || strings.HasPrefix(node, "Literal ")) {
			return fault.New(fault.Invalid, "format_not_allowed", "a query does not choose its FORMAT or file: leave that to the request")
		}
		if name, ok := strings.CutPrefix(node, "Function "); ok {
			name = functionName(name)
			folded := strings.ToLower(name)
			if refusedFunctions[folded] || parent == "TableExpression" && !tableFunctions[folded] {
				return fault.New(fault.Denied, "function_not_allowed", "queries may not call the function %s", name)
			}
		}
		parent, _, _ = strings.Cut(node, " ")
	}
	return nil
}

// functionName is the name alone in "name (alias x) (children 1)".
func functionName(node string) string {
	for _, tail := range [...]string{" (alias ", " (children ", " (parameters"} {
		if at := strings.Index(node, tail); at >= 0 {
			node = node[:at]
		}
	}
	return strings.TrimSpace(node)
}
