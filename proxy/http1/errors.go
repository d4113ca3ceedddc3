package http1

// Error is a message that is refused. Status is what an intermediary answers a request with; for a response it is
// always 502 to the client. Errors are constants of this package: compare with errors.Is, or take them out with
// errors.As.
type Error struct {
	Status int
	Text   string
}

func (e *Error) Error() string { return e.Text }

func bad(text string) *Error { return &Error{400, text} }

// The errors. RFC sections are those of RFC 9112 unless another is named.
var (
	ErrBareLF      = bad("line ends in a bare LF") // 2.2
	ErrRequestLine = bad("malformed request line") // 3
	// another protocol, by the look of it
	ErrNotHTTP        = bad("not HTTP")
	ErrMethod         = bad("malformed method")                                     // 3.1
	ErrTarget         = bad("malformed request target")                             // 3.2
	ErrTargetHost     = bad("host of the request target and Host field differ")     // 3.2.2
	ErrVersion        = bad("malformed HTTP version")                               // 2.3
	ErrHTTP2Preface   = &Error{505, "HTTP version is neither 1.0 nor 1.1"}          // the peer speaks HTTP/2
	ErrVersionUnknown = &Error{505, "HTTP version is neither 1.0 nor 1.1"}          // RFC 9110 15.6.6
	ErrStatusLine     = &Error{502, "malformed status line"}                        // 4
	ErrFold           = bad("line folding in a header field")                       // 5.2
	ErrFieldName      = bad("malformed header field name")                          // 5.1
	ErrFieldValue     = bad("control byte in a header field value")                 // RFC 9110 5.5
	ErrHostMissing    = bad("Host field is missing")                                // 3.2
	ErrHostRepeated   = bad("more than one Host field")                             // 3.2
	ErrHost           = bad("malformed Host field")                                 // RFC 9110 7.2
	ErrConnection     = bad("Connection field names a field that frames or routes") // RFC 9110 7.6.1
	ErrLength         = bad("malformed Content-Length")                             // 6.3
	ErrLengthRepeated = bad("more than one Content-Length")                         // 6.3
	ErrLengthAndTE    = bad("Content-Length together with Transfer-Encoding")       // 6.1
	ErrTE             = bad("Transfer-Encoding is not a single final chunked")      // 6.1
	ErrTEUnknown      = &Error{501, "unknown transfer coding"}                      // 6.1
	ErrTEVersion      = bad("Transfer-Encoding in an HTTP/1.0 message")             // 6.1
	ErrExpect         = &Error{417, "unknown expectation"}                          // RFC 9110 10.1.1
	ErrLineTooLong    = &Error{414, "request line is too long"}                     // 3
	ErrHeadTooLarge   = &Error{431, "head is too large"}                            // RFC 6585 5
	ErrFieldCount     = &Error{431, "too many header fields"}                       // RFC 6585 5
	ErrChunkSize      = bad("malformed chunk size")                                 // 7.1
	ErrChunkExt       = bad("malformed or too long chunk extensions")               // 7.1.1
	ErrChunkEnd       = bad("chunk data does not end where its size says")          // 7.1
)
