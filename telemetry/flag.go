package telemetry

// Flag says in two or three letters why we answered a request ourselves, or why
// a connection ended badly. The letters are Envoy's where Envoy has them. They
// are the field "flag" of the access log and the attribute gateway.flag. The
// HTTP status that goes with a flag is the business of the data plane.
type Flag uint8

// The flags.
const (
	NoFlag Flag = iota // nothing went wrong
	NR                 // no route
	UH                 // no healthy endpoint
	UO                 // a limit of the cluster was reached (overflow)
	UF                 // connecting to the endpoint did not work
	UC                 // the endpoint broke the connection off
	UT                 // the endpoint was too slow
	DC                 // the client went away
	DPE                // the client broke the protocol
	UPE                // the endpoint broke the protocol
	RL                 // rate limited
	AC                 // access control: the client may not
	SI                 // L4: no byte either way for too long (stream idle)
	DT                 // L4: the whole life was too long (duration timeout)
	LR                 // cut by us at the end of a drain (local reset)
	numFlags
)

var flagNames = [numFlags]string{
	"", "NR", "UH", "UO", "UF", "UC", "UT", "DC", "DPE", "UPE", "RL", "AC", "SI", "DT", "LR",
}

// String is the flag's letters; NoFlag is empty.
func (f Flag) String() string {
	if f < numFlags {
		return flagNames[f]
	}
	return ""
}
