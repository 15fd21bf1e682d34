// Package destinationtest checks that a driver keeps the promises of destination.Destination.
package destinationtest

import (
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

// Run checks every promise of the port, one subtest for each, under the port's own words. open gives an empty database
// that the suite may close; it registers its own clean-up.
func Run(t *testing.T, open func(t *testing.T) destination.Destination) {
	for _, promise := range []struct {
		name  string
		check func(t *testing.T, s *suite)
	}{
		{"CreateTableMakesAnEmptyTableWithTheRowID", createTableMakes},
		{"CreateTableLeavesExisting", createTableLeavesExisting},
		{"CreateTableConcurrently", createTableConcurrently},
		{"ColumnsAreInOrder", columnsAreInOrder},
		{"ColumnsOfMissingTableIsNotFound", columnsOfMissingTable},
		{"AddColumnsTwice", addColumnsTwice},
		{"AddColumnsConcurrently", addColumnsConcurrently},
		{"NamesAreQuoted", namesAreQuoted},
		{"TablesAreSorted", tablesAreSorted},
		{"LoadKeepsValues", loadKeepsValues},
		{"LoadOfManyRows", loadOfManyRows},
		{"LoadLeavesMissingKeysEmpty", loadLeavesMissingKeysEmpty},
		{"LoadIsAllOrNone", loadIsAllOrNone},
		{"LoadStopsWhenContextEnds", loadStopsWhenContextEnds},
		{"LoadTwiceIsOnce", loadTwiceIsOnce},
		{"LoadTwiceConcurrently", loadTwiceConcurrently},
		{"LoadNeedsRescueColumn", loadNeedsRescueColumn},
		{"LoadRescuesWhatDoesNotFit", loadRescues},
		{"LoadIntoMissingTableFails", loadIntoMissingTable},
		{"QueryGivesColumnsThenRows", queryGivesColumnsThenRows},
		{"QueryWithoutRowsIsComplete", queryWithoutRows},
		{"QueryStopsAtFirstErrorOfOut", queryStopsAtErrorOfOut},
		{"QueryStopsWhenContextEnds", queryStopsWhenContextEnds},
		{"QueryRefuses", queryRefuses},
		{"QueriesAndLoadsConcurrently", queriesAndLoads},
		{"CloseWaitsForCallsInProgress", closeWaits},
	} {
		t.Run(promise.name, func(t *testing.T) {
			promise.check(t, newSuite(open(t)))
		})
	}
}
