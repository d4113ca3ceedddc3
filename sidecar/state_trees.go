package sidecar

import (
	"errors"
	"io/fs"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// treesFile has what the YAML library makes of the text in lastGoodFile, where that is large. It only saves a start the
// time of that: the text is what is believed, and serves without it.
const treesFile = "last-good.trees"

// readTrees gives the kept trees, which may be of another text; nil: there are none of use.
func (s *state) readTrees() *config.Trees {
	kept, err := s.dir.ReadBytes(treesFile)
	if err != nil {
		s.setTreesAside(err)
		return nil
	}
	trees, err := config.ReadTrees(kept)
	if err != nil {
		s.log.Debug("kept trees are not used, the text is parsed", "reason", err)
		return nil
	}
	return trees
}

// setTreesAside makes room for the next ones.
func (s *state) setTreesAside(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	s.log.Warn("kept trees are not used and set aside", "error", err)
	if err := s.dir.SetAside(treesFile); err != nil {
		s.log.Warn("kept trees stay in their place", "error", err)
	}
}

// keepTrees has the trees be those of the document that was written, unless they are.
func (s *state) keepTrees(d *keptDocument) {
	if d == nil || d.Hash == s.treesOf {
		return
	}
	s.treesOf = d.Hash
	parts := d.document().Parts
	if kept, err := s.dir.ReadBytes(treesFile); err == nil && config.AreTrees(kept, parts) {
		return // a process before this one wrote them
	}
	kept := config.KeepTrees(parts)
	if kept == nil {
		s.dropTrees()
		return
	}
	if err := s.dir.NoteBytes(treesFile, kept); err != nil {
		s.log.Debug("trees are not kept, a start will parse the text", "error", err)
		s.dropTrees()
	}
}

// dropTrees removes the trees, and tells whether there may have been some.
func (s *state) dropTrees() bool {
	s.treesOf = ""
	return s.dir.Remove(treesFile) == nil
}
