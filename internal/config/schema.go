package config

import (
	"reflect"

	"go.yaml.in/yaml/v4"
)

// A kind reads one sort of value from a node and writes it back as JSON.
// What it cannot read it reports, and leaves the value as it was.
type kind[V any] struct {
	decode func(d *decoder, n *yaml.Node, v *V)
	encode func(e *encoder, v *V)
}

// A field is one key of a mapping and the part of T that it sets.
type field[T any] struct {
	key    string
	decode func(d *decoder, n *yaml.Node, t *T)
	encode func(e *encoder, t *T)
	empty  func(t *T) bool
	equal  func(a, b *T) bool
	shown  func(t *T) bool // whether the effective document has the key; nil = always
}

// at ties a key to a part of T.
func at[T, V any](key string, ref func(*T) *V, k kind[V]) field[T] {
	return field[T]{
		key:    key,
		decode: func(d *decoder, n *yaml.Node, t *T) { k.decode(d, n, ref(t)) },
		encode: func(e *encoder, t *T) { k.encode(e, ref(t)) },
		empty:  func(t *T) bool { return reflect.ValueOf(ref(t)).Elem().IsZero() },
		equal:  func(a, b *T) bool { return reflect.DeepEqual(ref(a), ref(b)) },
	}
}

// optional keeps the key out of the effective document while it has no value.
func (f field[T]) optional() field[T] {
	empty := f.empty
	f.shown = func(t *T) bool { return !empty(t) }
	return f
}

// when keeps the key out of the effective document unless shown says so.
func (f field[T]) when(shown func(t *T) bool) field[T] {
	f.shown = shown
	return f
}

// A block is a mapping with known keys. Its table of fields is all there is to
// know about a key: adding or removing a setting is one line here.
type block[T any] struct {
	form   string                               // an example of it, for who writes something else; "" = none
	fields []field[T]                           // at most 64
	begin  func(d *decoder, t *T)               // sets the defaults, before the keys are read
	end    func(d *decoder, n *yaml.Node, t *T) // checks what no key can check alone
}

func (b *block[T]) kind() kind[T] {
	return kind[T]{decode: b.decode, encode: b.encode}
}

func (b *block[T]) decode(d *decoder, n *yaml.Node, t *T) {
	if b.begin != nil {
		b.begin(d, t)
	}
	if b.form != "" && !d.isMapping(n, b.form) || !d.isKind(n, yaml.MappingNode) {
		return
	}
	var known uint64
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f := b.find(key)
		if f < 0 {
			d.unknownKey(key, b.keys)
			continue
		}
		if known&(1<<f) != 0 {
			d.problem(key, "key %s is there twice", key.Value)
			continue
		}
		known |= 1 << f
		d.enter(b.fields[f].key)
		b.fields[f].decode(d, value, t)
		d.leave()
	}
	if b.end != nil {
		b.end(d, n, t)
	}
}

func (b *block[T]) find(key *yaml.Node) int {
	if key.Kind != yaml.ScalarNode {
		return -1
	}
	for i := range b.fields {
		if b.fields[i].key == key.Value {
			return i
		}
	}
	return -1
}

// field gives the field of a key that is there.
func (b *block[T]) field(key string) *field[T] {
	for i := range b.fields {
		if b.fields[i].key == key {
			return &b.fields[i]
		}
	}
	panic("BUG: there is no key " + key)
}

func (b *block[T]) keys() []string {
	keys := make([]string, len(b.fields))
	for i := range b.fields {
		keys[i] = b.fields[i].key
	}
	return keys
}

func (b *block[T]) encode(e *encoder, t *T) {
	e.open('{')
	for i := range b.fields {
		f := &b.fields[i]
		show := f.shown == nil || f.shown(t)
		if e.sparse {
			show = show && !f.empty(t)
		}
		if show {
			e.key(f.key)
			f.encode(e, t)
		}
	}
	e.close('}')
}

// changed lists the keys in which two values differ.
func (b *block[T]) changed(old, new *T) []string {
	var keys []string
	for i := range b.fields {
		f := &b.fields[i]
		if !f.equal(old, new) && (f.shown == nil || f.shown(old) || f.shown(new)) {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// listOf is a list whose items are all of one kind, single values.
func listOf[V any](item kind[V]) kind[[]V] { return listAs(item, "") }

// blocksOf is a list of mappings.
func blocksOf[T any](b *block[T]) kind[[]T] { return listAs(b.kind(), b.form) }

// listAs is a list; form is an example of an item, for who writes something else.
func listAs[V any](item kind[V], form string) kind[[]V] {
	return kind[[]V]{
		decode: func(d *decoder, n *yaml.Node, v *[]V) {
			if !d.isList(n, form) {
				return
			}
			list := make([]V, len(n.Content))
			for i, c := range n.Content {
				d.enterItem(i)
				item.decode(d, c, &list[i])
				d.leave()
			}
			*v = list
		},
		encode: func(e *encoder, v *[]V) {
			e.open('[')
			for i := range *v {
				e.item()
				item.encode(e, &(*v)[i])
			}
			e.close(']')
		},
	}
}

// then adds a check to a kind; it runs only if reading found nothing wrong.
func (k kind[V]) then(check func(d *decoder, n *yaml.Node, v *V)) kind[V] {
	decode := k.decode
	k.decode = func(d *decoder, n *yaml.Node, v *V) {
		before := d.total
		decode(d, n, v)
		if d.total == before {
			check(d, n, v)
		}
	}
	return k
}

// thenCheck is then for a check that takes time. It is left out where the sources were read before without a problem.
func (k kind[V]) thenCheck(check func(d *decoder, n *yaml.Node, v *V)) kind[V] {
	return k.then(func(d *decoder, n *yaml.Node, v *V) {
		if !d.checked {
			check(d, n, v)
		}
	})
}

// has tells whether a mapping has a key.
func has(n *yaml.Node, key string) bool { return valueOf(n, key) != nil }

// mentions is has for a mapping that need not be there.
func mentions(n *yaml.Node, key string) bool { return n != nil && has(n, key) }

// valueOf gives the value of a mapping's key, or nil.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
