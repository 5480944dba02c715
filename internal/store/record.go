package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// A stored value is one format byte, the CRC-32C of table, key and JSON, and the JSON. bbolt has no checksums of its own, so
// without this a flipped bit in a value would be served as if it had been written.
const (
	sealFormat = 1
	sealSize   = 1 + 4
)

// Bounds of a record, those etcd would keep too.
const (
	maxKey   = 1 << 10
	maxValue = 1 << 20
)

func checksum(table, key, payload []byte) uint32 {
	t := crc32.MakeTable(crc32.Castagnoli) // built once by the library
	sum := crc32.Update(0, t, table)
	sum = crc32.Update(sum, t, []byte{0})
	sum = crc32.Update(sum, t, key)
	sum = crc32.Update(sum, t, []byte{0})
	return crc32.Update(sum, t, payload)
}

// seal encodes a value for storing.
func seal(table, key []byte, v any) ([]byte, error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: encode %s/%s: %w", ErrInvalid, table, key, err)
	}
	if len(payload) > maxValue {
		return nil, fmt.Errorf("%w: value of %s/%s is %d bytes, at most %d are kept", ErrInvalid, table, key, len(payload), maxValue)
	}
	b := make([]byte, sealSize, sealSize+len(payload))
	b[0] = sealFormat
	binary.BigEndian.PutUint32(b[1:], checksum(table, key, payload))
	return append(b, payload...), nil
}

// unseal returns the JSON of a stored value, or an error that is ErrDamaged. It does not copy.
func unseal(table, key, stored []byte) ([]byte, error) {
	if len(stored) < sealSize || stored[0] != sealFormat ||
		binary.BigEndian.Uint32(stored[1:]) != checksum(table, key, stored[sealSize:]) {
		return nil, fmt.Errorf("%w: %s/%q", ErrDamaged, table, key)
	}
	return stored[sealSize:], nil
}
