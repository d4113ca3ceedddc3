package passwords

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of a file.
const (
	maxFileBytes = 4 << 20
	maxUsers     = 50_000
	maxNameBytes = 255 // as htpasswd has it
	hashBytes    = 60
	// The costs: below 4 bcrypt knows none, and above 14 one check takes seconds.
	minCost = 4
	maxCost = 14
)

// user is one line of a file.
type user struct {
	name string
	hash []byte
}

// users are the content of a file, at least one. Immutable.
type users struct {
	all    []user
	byName map[string]int
}

// parse reads a file as htpasswd writes it: a line for each user, NAME:HASH. Lines that are empty or begin with # do
// not count. The error names the line, and says what to write; it never has the hash.
func parse(data []byte) (*users, error) {
	u := &users{byName: map[string]int{}}
	number := 0
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		number++
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if err := u.add(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if len(u.all) == 0 {
		return nil, errors.New("holds no user: write one with htpasswd -B FILE USER")
	}
	return u, nil
}

func (u *users) add(line []byte) error {
	name, hash, ok := bytes.Cut(line, []byte(":"))
	switch {
	case !ok:
		return errors.New("want NAME:HASH, as htpasswd -B writes it")
	case len(name) == 0:
		return errors.New("want a name in front of the colon")
	case len(name) > maxNameBytes:
		return fmt.Errorf("want a name of at most %d bytes", maxNameBytes)
	case bytes.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the name has a control byte")
	case len(u.all) >= maxUsers:
		return fmt.Errorf("want at most %d users", maxUsers)
	}
	if err := checkHash(string(hash)); err != nil {
		return fmt.Errorf("user %q: %w", name, err)
	}
	if _, twice := u.byName[string(name)]; twice {
		return fmt.Errorf("user %q is there twice", name)
	}
	u.byName[string(name)] = len(u.all)
	u.all = append(u.all, user{string(name), bytes.Clone(hash)})
	return nil
}

// otherHashes are beginnings of hashes that are not read, and what they are called.
var otherHashes = []struct{ begin, name string }{
	{"$apr1$", "Apache's MD5"}, {"{SHA}", "SHA-1"}, {"$1$", "MD5"}, {"$5$", "SHA-256 of crypt"},
	{"$6$", "SHA-512 of crypt"}, {"$y$", "yescrypt"}, {"$argon2", "Argon2"}, {"$2x$", "a bcrypt with an old fault"},
}

// checkHash holds a hash to the form of bcrypt: $2y$COST$ and 53 characters.
func checkHash(hash string) error {
	for _, other := range otherHashes {
		if strings.HasPrefix(hash, other.begin) {
			return fmt.Errorf("the hash is %s, want bcrypt: write the user anew with htpasswd -B", other.name)
		}
	}
	version, rest, ok := strings.Cut(strings.TrimPrefix(hash, "$"), "$")
	if !ok || hash[0] != '$' || version != "2a" && version != "2b" && version != "2y" {
		return errors.New("the hash is none of bcrypt: write the user anew with htpasswd -B")
	}
	cost, text, _ := strings.Cut(rest, "$")
	n, err := strconv.Atoi(cost)
	switch {
	case err != nil || len(cost) != 2:
		return errors.New("the hash is cut off or has something behind it: write the user anew with htpasswd -B")
	case n < minCost || n > maxCost:
		return fmt.Errorf("the cost of the hash is %d, want %d to %d: write the user anew with htpasswd -B -C 10",
			n, minCost, maxCost)
	case len(hash) != hashBytes || strings.Trim(text, bcryptDigits) != "":
		return errors.New("the hash is cut off or has something behind it: write the user anew with htpasswd -B")
	}
	return nil
}

// bcryptDigits are those of bcrypt's own base 64.
const bcryptDigits = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
