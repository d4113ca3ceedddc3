package consul

import (
	"net/http"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// realTest is a test against a real Consul, which starts slowly: they share one.
type realTest struct {
	name string
	run  func(*testing.T, *testserver.ConsulServer)
}

func TestConsul(t *testing.T) {
	testserver.Goroutines(t)
	runReal(t, testserver.Consul(t), []realTest{
		{"KeyFollowsConsul", keyFollowsConsul},
		{"KeyChangesAreNotCoalesced", keyChangesAreNotCoalesced},
		{"KeyOutlivesConsul", keyOutlivesConsul},
		{"KeyBeforeConsul", keyBeforeConsul},
		{"KeyThroughABrokenWire", keyThroughABrokenWire},
		{"Folder", folder},
		{"EmptyFolderIsConfirmedOnce", emptyFolderIsConfirmedOnce},
		{"CatalogFollowsAService", catalogFollowsAService},
		{"CatalogSharesOneWatch", catalogSharesOneWatch},
		{"CatalogFilters", catalogFilters},
		{"CatalogFollowsPorts", catalogFollowsPorts},
		{"CatalogTellsZones", catalogTellsZones},
		{"CatalogRefusesFilters", catalogRefusesFilters},
		{"CatalogReconciles", catalogReconciles},
		{"CatalogOutlivesConsul", catalogOutlivesConsul},
		{"CatalogTakesOddNames", catalogTakesOddNames},
		{"CatalogChecksAddresses", catalogChecksAddresses},
		{"DeadConnection", deadConnection},
		{"ReturnOfConsul", returnOfConsul},
		{"LargeServiceThatChanges", largeServiceThatChanges},
		{"KeyAfterRestore", keyAfterRestore},
	})
}

func TestConsulWithACLs(t *testing.T) {
	server := testserver.Consul(t, testserver.DenyByDefault,
		testserver.ConsulConfig(map[string]any{"session_ttl_min": "1s"}))
	runReal(t, server, []realTest{
		{"KeyWithoutRights", keyWithoutRights},
		{"FolderIsNeverPartial", folderIsNeverPartial},
		{"CatalogWithoutRights", catalogWithoutRights},
		{"RevisionsAreKept", revisionsAreKept},
		{"ALargeDocumentHasParts", aLargeDocumentHasParts},
		{"ThePointerIsWrittenLast", thePointerIsWrittenLast},
		{"ThePusherThatIsLateLoses", thePusherThatIsLateLoses},
		{"TheHistoryEnds", theHistoryEnds},
		{"WhatIsLiveStaysInTheHistory", whatIsLiveStaysInTheHistory},
		{"RightsAreNamed", rightsAreNamed},
		{"TheResponseIsLost", theResponseIsLost},
		{"PrunedMeanwhile", prunedMeanwhile},
		{"PointerIsFollowed", pointerIsFollowed},
		{"PartsAreMissing", partsAreMissing},
		{"VerdictsAreSaid", verdictsAreSaid},
		{"TheSuccessorSpeaks", theSuccessorSpeaks},
		{"TwoOfOneName", twoOfOneName},
		{"TheKilledAreForgotten", theKilledAreForgotten},
		{"VerdictsNeedRights", verdictsNeedRights},
		{"VerdictsAreRead", verdictsAreRead},
		{"VerdictsNeedARight", verdictsNeedARight},
	})
}

func runReal(t *testing.T, consul *testserver.ConsulServer, tests []realTest) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Cleanup(func() {
				consul.Call(http.MethodDelete, "/v1/kv/gateway/?recurse", nil)
				for _, id := range []string{"a", "b"} {
					consul.Call(http.MethodPut, "/v1/agent/service/register", map[string]string{"Name": id})
					consul.Deregister(id)
				}
			})
			test.run(t, consul)
		})
	}
}
