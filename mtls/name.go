package mtls

import (
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// attribute is one `CN=web` of a name, with its value as it was encoded.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// relativeSET is the attributes of one level. asn1 knows by the end of the
// type's name that it is a set.
type relativeSET []attribute

// distinguishedName writes a name as RFC 2253 does and OpenSSL prints it: most
// specific first, everything that is not printable ASCII as \XX. So it is the
// same text that Envoy shows, and safe inside a header. pkix.Name.String would
// sort the attributes anew and let control bytes through.
func distinguishedName(raw []byte) string {
	var levels []relativeSET
	if rest, err := asn1.Unmarshal(raw, &levels); err != nil || len(rest) > 0 {
		return ""
	}
	var parts []string
	for _, level := range slices.Backward(levels) {
		var attributes []string
		for _, a := range slices.Backward(level) {
			attributes = append(attributes, a.String())
		}
		parts = append(parts, strings.Join(attributes, "+"))
	}
	return strings.Join(parts, ",")
}

// String is `name=value`, or the value's bytes if name or value is not text to us.
func (a attribute) String() string {
	name, value := attributeName(a.Type), ""
	ok := name != ""
	if ok {
		value, ok = text(a.Value)
	} else {
		name = a.Type.String()
	}
	if !ok {
		return name + "=#" + strings.ToUpper(hex.EncodeToString(a.Value.FullBytes))
	}
	return name + "=" + escape(value)
}

func escape(value string) string {
	var b strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case strings.IndexByte(`,+"\<>;`, c) >= 0,
			c == '#' && i == 0,
			c == ' ' && (i == 0 || i == len(value)-1):
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%02X`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// attributeName is OpenSSL's short name, empty for what it has none for.
func attributeName(oid asn1.ObjectIdentifier) string {
	switch oid.String() {
	case "2.5.4.3":
		return "CN"
	case "2.5.4.4":
		return "SN"
	case "2.5.4.5":
		return "serialNumber"
	case "2.5.4.6":
		return "C"
	case "2.5.4.7":
		return "L"
	case "2.5.4.8":
		return "ST"
	case "2.5.4.9":
		return "street"
	case "2.5.4.10":
		return "O"
	case "2.5.4.11":
		return "OU"
	case "2.5.4.12":
		return "title"
	case "2.5.4.17":
		return "postalCode"
	case "2.5.4.42":
		return "GN"
	case "2.5.4.46":
		return "dnQualifier"
	case "1.2.840.113549.1.9.1":
		return "emailAddress"
	case "0.9.2342.19200300.100.1.1":
		return "UID"
	case "0.9.2342.19200300.100.1.25":
		return "DC"
	}
	return ""
}

// text decodes the string types of ASN.1 into UTF-8.
func text(v asn1.RawValue) (string, bool) {
	if v.Class != asn1.ClassUniversal || v.IsCompound {
		return "", false
	}
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
		return string(v.Bytes), true
	case asn1.TagT61String: // taken for Latin-1, as everyone does
		runes := make([]rune, len(v.Bytes))
		for i, c := range v.Bytes {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		if len(v.Bytes)%2 != 0 {
			return "", false
		}
		units := make([]uint16, 0, len(v.Bytes)/2)
		for i := 0; i < len(v.Bytes); i += 2 {
			units = append(units, uint16(v.Bytes[i])<<8|uint16(v.Bytes[i+1]))
		}
		return string(utf16.Decode(units)), true
	}
	return "", false
}
