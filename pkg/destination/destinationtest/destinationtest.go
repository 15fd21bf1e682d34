// Package destinationtest checks that a driver keeps the promises of destination.Destination.
package destinationtest

import (
	"testing"

	"github.com/scratchdata/scratchdata/pkg/destination"
)

// promise is one of the port's, and how it is checked.
type promise struct {
	name  string
	check func(t *testing.T, s *suite)
}

// Run checks every promise of the port, one subtest for each, under the port's own words. open gives an empty database
// that the suite may close; it registers its own clean-up.
func Run(t *testing.T, open func(t *testing.T) destination.Destination, d Dialect) {
	promises := promises()
	if d.Exec != nil {
		promises = append(promises, promisesByHand(d)...)
	}
	if _, ok := open(t).(destination.Rescuer); ok {
		promises = append(promises, promisesOfRescuers()...)
	}
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			p.check(t, newSuite(open(t), d))
		})
	}
	if d.OpenStringTypes != nil {
		t.Run("StringTypesMakeEveryNewColumnText", func(t *testing.T) {
			stringTypes(t, newSuite(d.OpenStringTypes(t), d))
		})
	}
}

func promises() []promise {
	return []promise{
		{"CreateTableMakesAnEmptyTableWithTheRowID", createTableMakes},
		{"CreateTableLeavesExisting", createTableLeavesExisting},
		{"CreateTableConcurrently", createTableConcurrently},
		{"ColumnsAreInOrder", columnsAreInOrder},
		{"ColumnsOfMissingTableIsNotFound", columnsOfMissingTable},
		{"AddColumnsTwice", addColumnsTwice},
		{"AddColumnsConcurrently", addColumnsConcurrently},
		{"NamesAreQuoted", namesAreQuoted},
		{"KeysHaveTheirColumns", keysHaveTheirColumns},
		{"KeysThatCollideShareAColumn", keysThatCollideShareAColumn},
		{"TablesAreSorted", tablesAreSorted},
		{"LoadOfManyRows", loadOfManyRows},
		{"LoadLeavesMissingKeysEmpty", loadLeavesMissingKeysEmpty},
		{"LoadIsAllOrNone", loadIsAllOrNone},
		{"LoadStopsWhenContextEnds", loadStopsWhenContextEnds},
		{"LoadTwiceIsOnce", loadTwiceIsOnce},
		{"LoadTwiceConcurrently", loadTwiceConcurrently},
		{"LoadNeedsRescueColumn", loadNeedsRescueColumn},
		{"LoadSaysWhyItRescued", loadSaysWhy},
		{"LoadHoldsOrRescuesEachValue", matrix},
		{"LoadOfMixedKinds", loadOfMixedKinds},
		{"LoadOfNullsAlone", loadOfNullsAlone},
		{"LoadIntoMissingTableFails", loadIntoMissingTable},
		{"QueryGivesColumnsThenRows", queryGivesColumnsThenRows},
		{"QueryWithoutRowsIsComplete", queryWithoutRows},
		{"QueryStopsAtFirstErrorOfOut", queryStopsAtErrorOfOut},
		{"QueryStopsWhenContextEnds", queryStopsWhenContextEnds},
		{"QueryRefuses", queryRefuses},
		{"QueriesAndLoadsConcurrently", queriesAndLoads},
		{"QueryWhileALoadIsOpen", queryWhileALoadIsOpen},
		{"CloseWaitsForCallsInProgress", closeWaits},
	}
}

// promisesByHand are those about tables that people made, as far as d's database can make them.
func promisesByHand(d Dialect) []promise {
	promises := []promise{
		{"NativeTypesHoldOrRescue", natives},
		{"DefaultsFillWhatIsMissing", defaults},
		{"TablesOfTextTakeEverything", allText},
		{"ViewsAreRefused", views},
		{"IntegerRowIDs", integerRowIDs},
	}
	if d.Double != "" {
		promises = append(promises, promise{"GeneratedColumnsAreLeftAlone", generated})
	}
	if d.Check != "" {
		promises = append(promises, promise{"CheckedTablesRefuse", checked})
	}
	return promises
}
