package docdiff

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// What happened to a part of the document.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Change is one listener, route, cluster or block of settings that is not as it was.
type Change struct {
	Kind   string  `json:"kind"`           // listener, route, cluster, or the key of settings, such as timeouts
	Name   string  `json:"name,omitempty"` // as it is now; of what was removed, as it was
	What   string  `json:"what"`           // added, removed, changed
	Fields []Field `json:"fields,omitempty"`
}

// Field is one value that is not as it was. An empty text is that there is none.
type Field struct {
	Path   string `json:"path"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// tree is a mapping of the document.
type tree = map[string]any

// lists are the parts that have names, in the order in which they are told.
var lists = []struct{ key, kind string }{{"listeners", "listener"}, {"routes", "route"}, {"clusters", "cluster"}}

// Compare tells what next changes of before, which may be nil: then everything is added.
func Compare(before, next *config.Document) []Change {
	old, now := treeOf(before), treeOf(next)
	var all []Change
	for _, l := range lists {
		all = append(all, compareLists(l.kind, items(old[l.key]), items(now[l.key]))...)
		delete(old, l.key)
		delete(now, l.key)
	}
	if before == nil {
		return all // its settings are those of the environment
	}
	for _, key := range keysOf(old, now) {
		if fields := compareValues("", old[key], now[key]); len(fields) > 0 {
			all = append(all, Change{Kind: key, What: Changed, Fields: fields})
		}
	}
	return all
}

func treeOf(d *config.Document) tree {
	t := tree{}
	if d == nil {
		return t
	}
	if err := json.Unmarshal(d.JSON(), &t); err != nil {
		panic("BUG: the effective document is not JSON: " + err.Error())
	}
	return t
}

// items are the elements of a list that are mappings.
func items(list any) []tree {
	var all []tree
	elements, _ := list.([]any)
	for _, e := range elements {
		if t, ok := e.(tree); ok {
			all = append(all, t)
		}
	}
	return all
}

func nameOf(t tree) string {
	name, _ := t["name"].(string)
	return name
}

func compareLists(kind string, old, now []tree) []Change {
	var all []Change
	left := map[string]tree{} // of old, without a partner yet
	for _, t := range old {
		left[nameOf(t)] = t
	}
	partner := map[string]tree{}
	for _, t := range now {
		if was, ok := left[nameOf(t)]; ok {
			partner[nameOf(t)] = was
			delete(left, nameOf(t))
		}
	}
	var matches map[string][]string // of routes: what they match -> those of left, by name
	if kind == "route" {
		matches = byMatch(left)
	}
	for _, t := range now {
		name := nameOf(t)
		was, ok := partner[name]
		if !ok && kind == "route" {
			if same := matches[matchOf(t)]; len(same) > 0 { // it has another name
				was, ok = left[same[0]], true
				delete(left, same[0])
				matches[matchOf(t)] = same[1:]
			}
		}
		if !ok {
			all = append(all, Change{Kind: kind, Name: name, What: Added})
		} else if fields := compareValues("", was, t); len(fields) > 0 {
			all = append(all, Change{Kind: kind, Name: name, What: Changed, Fields: fields})
		}
	}
	for _, t := range old {
		if _, gone := left[nameOf(t)]; gone {
			all = append(all, Change{Kind: kind, Name: nameOf(t), What: Removed})
		}
	}
	return all
}

// byMatch has the names of routes by what they match, in order.
func byMatch(routes map[string]tree) map[string][]string {
	all := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		match := matchOf(routes[name])
		all[match] = append(all[match], name)
	}
	return all
}

// matchOf is which requests a route is for.
func matchOf(route tree) string { return text([]any{route["match"], route["listeners"]}) }

// compareValues lists what differs, down to the single value.
func compareValues(path string, old, now any) []Field {
	if reflect.DeepEqual(old, now) {
		return nil
	}
	before, isTree := old.(tree)
	after, areTrees := now.(tree)
	if isTree && areTrees || isTree && now == nil || areTrees && old == nil {
		var all []Field
		for _, key := range keysOf(before, after) {
			all = append(all, compareValues(joined(path, key), before[key], after[key])...)
		}
		return all
	}
	if o, n := keyed(old), keyed(now); o != nil && n != nil {
		return compareElements(path, o, n)
	}
	return []Field{{path, text(old), text(now)}}
}

// compareElements lists what differs; an element that only one side has is told as a whole.
func compareElements(path string, old, now tree) []Field {
	var all []Field
	for _, key := range keysOf(old, now) {
		was, before := old[key]
		is, after := now[key]
		if before && after {
			all = append(all, compareValues(joined(path, key), was, is)...)
		} else {
			all = append(all, Field{joined(path, key), text(was), text(is)})
		}
	}
	return all
}

// keyed makes a mapping of a list whose elements have an address or a name, so that its order is no change. It is nil
// if the list has others.
func keyed(list any) tree {
	elements, ok := list.([]any)
	if !ok || len(elements) == 0 {
		return nil
	}
	all := tree{}
	for _, e := range elements {
		t, _ := e.(tree)
		for _, key := range []string{"address", "name", "host"} {
			if id, ok := t[key].(string); ok && all[id] == nil {
				rest := maps.Clone(t)
				delete(rest, key)
				all[id] = rest
				break
			}
		}
	}
	if len(all) != len(elements) {
		return nil
	}
	return all
}

func joined(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func keysOf(a, b tree) []string {
	keys := append(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b))...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// text writes a value as short as JSON does, words without quotes.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		out, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(out)
	}
}
