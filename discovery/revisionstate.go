package discovery

// RevisionState is what has become of a revision. The status of a gateway, what it says in Consul, and people's verbs
// have the same words for it.
type RevisionState string

// The states of a revision.
const (
	// RevisionApplied: it serves.
	RevisionApplied RevisionState = "applied"
	// RevisionSuperseded: another one came after it. Only the history has it.
	RevisionSuperseded RevisionState = "superseded"
	// RevisionWaiting: something is to come first, be it a document, or what the catalog says of a service.
	RevisionWaiting RevisionState = "waiting"
	// RevisionHeld: the catalog has said it, and a route or L4 listener would be left without an endpoint; or Consul
	// refuses a filter.
	RevisionHeld RevisionState = "held"
	// RevisionRejected: it is wrong, could not be prepared, or would lose too many requests.
	RevisionRejected RevisionState = "rejected"
	// RevisionQuarantined: it has done harm before, to the process or to requests.
	RevisionQuarantined RevisionState = "quarantined"
	// RevisionRolledBack: it made requests fail, and the one before was put back.
	RevisionRolledBack RevisionState = "rolled_back"
)
