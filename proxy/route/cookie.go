package route

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Cookie is one that the gateway gives to clients that have none. Immutable.
type Cookie struct {
	name string
	tail string // what follows the value
}

func compileCookie(c *config.Cookie) *Cookie {
	tail := "; Path=" + c.Path
	if c.TTL > 0 {
		tail += "; Max-Age=" + strconv.FormatInt(int64(c.TTL/time.Second), 10)
	}
	if c.Secure {
		tail += "; Secure"
	}
	if !c.ForScripts {
		tail += "; HttpOnly"
	}
	return &Cookie{name: c.Name, tail: tail + "; SameSite=" + sameSite(c.SameSite)}
}

// sameSite is a word of the document as cookies have it.
func sameSite(word string) string {
	switch word {
	case config.SameSiteStrict:
		return "Strict"
	case config.SameSiteNone:
		return "None"
	default:
		return "Lax"
	}
}

// find is the first value of the cookie in the request h that is not empty and fits, and whether there is one. A client
// sends a cookie once for each path for which it has one (RFC 6265 section 5.4).
func (c *Cookie) find(h *message.Head, fits func(value []byte) bool) ([]byte, bool) {
	if !h.Present.Has(message.Cookie) {
		return nil, false
	}
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != message.Cookie {
			continue
		}
		for list := h.Value(f); len(list) > 0; {
			one := list
			if i := bytes.IndexByte(list, ';'); i >= 0 {
				one, list = list[:i], list[i+1:]
			} else {
				list = nil
			}
			name, value, _ := bytes.Cut(message.TrimSpace(one), equals)
			if string(name) == c.name && len(value) > 0 && fits(value) {
				return value, true
			}
		}
	}
	return nil, false
}

// anyValue fits them all.
func anyValue([]byte) bool { return true }

// cookieValue is the value of a cookie that the gateway makes.
type cookieValue [16]byte

// randomValue is one that no two clients share.
func randomValue() cookieValue { return valueOf(rand.Uint64()) }

func valueOf(u uint64) (v cookieValue) {
	for i := range v {
		v[i] = hexDigits[u>>(60-4*i)&0xf]
	}
	return v
}

const hexDigits = "0123456789abcdef"

// field is a Set-Cookie field that gives a client the cookie (RFC 6265 section 4.1).
func (c *Cookie) field(v *cookieValue) []byte { return []byte(c.name + "=" + string(v[:]) + c.tail) }

// newCookie is a cookie for one client.
type newCookie struct {
	cookie *Cookie
	value  cookieValue
	next   *newCookie
}

// made notes that the response shall give the client a cookie, and returns its value. It allocates: a client gets a
// cookie once.
func (d *Decision) made(c *Cookie, v cookieValue) []byte {
	d.cookies = &newCookie{c, v, d.cookies}
	return d.cookies.value[:]
}

// EachCookie calls f with the value of each Set-Cookie field that the response shall have.
func (d *Decision) EachCookie(f func(value []byte)) {
	if d.stays != nil {
		f(d.stays.field)
	}
	for n := d.cookies; n != nil; n = n.next {
		f(n.cookie.field(&n.value))
	}
}
