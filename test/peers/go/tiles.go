package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// stored keeps the hashes of a log in the order of package tlog.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		out[i] = s[index]
	}
	return out, nil
}

// directory reads tiles from files; C2SP paths lack the height that those of package tlog have.
type directory string

func (d directory) file(t tlog.Tile) string {
	level := fmt.Sprint(t.L)
	if t.L < 0 {
		level = "entries"
	}
	rest := strings.SplitN(t.Path(), "/", 4)[3]
	return filepath.Join(string(d), "tile", level, filepath.FromSlash(rest))
}
func (d directory) Height() int { return height }
func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := os.ReadFile(d.file(t))
		if err != nil {
			return nil, err
		}
		out[i] = data
	}
	return out, nil
}
func (d directory) SaveTiles([]tlog.Tile, [][]byte) {}

// entries reads all entries of a log from its bundles.
func (d directory) entries(size int64) ([][]byte, error) {
	var out [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := size - n*256
		if width > 256 {
			width = 256
		}
		data, err := os.ReadFile(d.file(tlog.Tile{H: height, L: -1, N: n, W: int(width)}))
		if err != nil {
			return nil, err
		}
		for i := int64(0); i < width; i++ {
			if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
				return nil, fmt.Errorf("bundle %d ends within entry %d", n, i)
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			out = append(out, data[2:end])
			data = data[end:]
		}
		if len(data) > 0 {
			return nil, fmt.Errorf("bundle %d has %d bytes too many", n, len(data))
		}
	}
	return out, nil
}

// tilesOf lists the full tiles of a size and the one partial tile of each level. (NewTiles of x/mod before 0.8 adds
// every narrower partial tile.)
func tilesOf(size int64) []tlog.Tile {
	var out []tlog.Tile
	for level := 0; size>>(height*uint(level)) > 0; level++ {
		hashes := size >> (height * uint(level))
		for n := int64(0); n*256 < hashes; n++ {
			width := hashes - n*256
			if width > 256 {
				width = 256
			}
			out = append(out, tlog.Tile{H: height, L: level, N: n, W: int(width)})
		}
	}
	return out
}

// sample gives 0 to n-1 where n is small, else the edges of tiles and a few hundred between.
func sample(n int64) []int64 {
	var out []int64
	step := n/300 + 1
	for i := int64(0); i < n; i++ {
		if i%step == 0 || i%65536 < 2 || i%256 == 255 && n < 5000 || i > n-4 {
			out = append(out, i)
		}
	}
	return out
}

func tiles(vkey, dir, newest string, older []string) (facts, error) {
	origin, tree, err := openCheckpoint(vkey, newest)
	if err != nil {
		return nil, err
	}
	d := directory(dir)
	entries, err := d.entries(tree.N)
	if err != nil {
		return nil, err
	}

	// From the entries alone: every hash of the log, and the root.
	var hashes stored
	for i, entry := range entries {
		more, err := tlog.StoredHashes(int64(i), entry, hashes)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, more...)
	}
	if tree.N == 0 && tree.Hash != sha256.Sum256(nil) {
		return nil, fmt.Errorf("size 0 has root %v", tree.Hash)
	}
	if tree.N > 0 {
		root, err := tlog.TreeHash(tree.N, hashes)
		if err != nil {
			return nil, err
		}
		if root != tree.Hash {
			return nil, fmt.Errorf("the entries give root %v, the checkpoint has %v", root, tree.Hash)
		}
	}

	// Every tile that this size has, byte for byte.
	all := tilesOf(tree.N)
	for _, t := range all {
		got, err := os.ReadFile(d.file(t))
		if err != nil {
			return nil, err
		}
		want, err := tlog.ReadTileData(t, hashes)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(got, want) {
			return nil, fmt.Errorf("tile %s is not what the entries give", d.file(t))
		}
	}

	// From the tiles alone, authenticated against the root: proofs of entries and of older trees.
	reader := tlog.TileHashReader(tree, d)
	records := sample(tree.N)
	for _, i := range records {
		p, err := tlog.ProveRecord(tree.N, i, reader)
		if err != nil {
			return nil, err
		}
		if err := tlog.CheckRecord(p, tree.N, tree.Hash, i, tlog.RecordHash(entries[i])); err != nil {
			return nil, fmt.Errorf("entry %d: %v", i, err)
		}
	}
	for _, i := range records {
		h, err := tlog.TreeHash(i+1, hashes)
		if err != nil {
			return nil, err
		}
		if err := checkTree(tree, tlog.Tree{N: i + 1, Hash: h}, reader); err != nil {
			return nil, err
		}
	}
	for _, file := range older {
		o, old, err := openCheckpoint(vkey, file)
		if err != nil {
			return nil, err
		}
		if o != origin {
			return nil, fmt.Errorf("%s is of %s, not of %s", file, o, origin)
		}
		if old.N == 0 {
			continue
		}
		if err := checkTree(tree, old, reader); err != nil {
			return nil, fmt.Errorf("%s: %v", file, err)
		}
	}
	return facts{
		"origin": origin, "size": tree.N, "tiles": len(all), "records": len(records), "older": len(older),
	}, nil
}

func checkTree(tree, old tlog.Tree, reader tlog.HashReader) error {
	p, err := tlog.ProveTree(tree.N, old.N, reader)
	if err != nil {
		return err
	}
	return tlog.CheckTree(p, tree.N, tree.Hash, old.N, old.Hash)
}
