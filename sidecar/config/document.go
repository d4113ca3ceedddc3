package config

// A Document is one validated revision with every value resolved: what the
// source left out carries its default, and what the bootstrap adds is in it.
// It is never edited after Decode returned it.
type Document struct {
	// Revision is the identity: a short hex SHA-256 of everything below.
	Revision string

	Listeners []Listener
	Routes    []Route // in document order, the bootstrap's last
	Clusters  []Cluster
	Timeouts  Timeouts
	Limits    Limits
	AccessLog AccessLog
}

// Base is what the bootstrap gives to each revision: the defaults of what a
// revision leaves out, and the listeners, routes and clusters that are added
// unless the revision has its own. In these three lists a zero field means the
// default, as a key that is left out does in a document (so a weight of 0 is 1).
type Base struct {
	Timeouts  Timeouts
	Keepalive Keepalive
	Limits    Limits
	AccessLog AccessLog

	Listeners []Listener
	Routes    []Route
	Clusters  []Cluster
}

// Part is one document of a folder, or, without a name, the only one.
type Part struct {
	Name string // the key's or file's name, as problems shall show it
	Data []byte
}

// Limits bound what one message may cost.
type Limits struct {
	MaxBody int64 // bytes of a request body; 0 = no limit
}
