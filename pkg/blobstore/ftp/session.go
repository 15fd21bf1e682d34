package ftp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/textproto"
	"path"

	"github.com/jlaffaye/ftp"

	"github.com/scratchdata/scratchdata/pkg/blobstore/fileserver"
)

// session is a login.
type session struct{ *ftp.ServerConn }

// codeOf gives the server's reply code, 0 when err is not from a reply.
func codeOf(err error) int {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

// refused reports whether the server has answered, for good.
func refused(err error) bool { return codeOf(err) >= 500 }

// busy reports whether the server says that it has too many connections, the file is in use, or its disk is full.
func busy(err error) bool {
	switch codeOf(err) {
	case ftp.StatusNotAvailable, ftp.StatusFileActionIgnored, ftp.Status452:
		return true
	default:
		return false
	}
}

// Alive implements fileserver.Session.
func (s *session) Alive() error { return s.NoOp() }

// Folder implements fileserver.Session.
func (s *session) Folder(name string) (string, error) {
	if name != "" {
		if err := s.ChangeDir(name); refused(err) {
			return "", errors.Join(fs.ErrNotExist, err)
		} else if err != nil {
			return "", err
		}
	}
	return s.CurrentDir()
}

// Create implements fileserver.Session. The server says nothing about when the file is on its disk.
func (s *session) Create(name string, r io.Reader) (int64, error) {
	if err := s.Stor(name, r); err != nil {
		return 0, err
	}
	return s.size(name)
}

// size gives the size of a file. Without it nobody could tell a file from a part of it.
func (s *session) size(name string) (int64, error) {
	n, err := s.FileSize(name)
	if code := codeOf(err); code == ftp.StatusBadCommand || code == ftp.StatusNotImplemented {
		return 0, fmt.Errorf("the server does not tell the size of files, so a part of one would look whole: %w", err)
	}
	return n, err
}

// Open implements fileserver.Session. Whether all of the file has come the server says when it is closed.
func (s *session) Open(name string) (io.ReadCloser, int64, error) {
	n, err := s.size(name)
	if err != nil {
		return nil, 0, err
	}
	r, err := s.Retr(name)
	if err != nil {
		return nil, 0, err
	}
	return r, n, nil
}

// Remove implements fileserver.Session.
func (s *session) Remove(name string) error { return s.Delete(name) }

// MakeFolders implements fileserver.Session. Servers do not say whether a folder is there already.
func (s *session) MakeFolders(name string) error {
	err := s.MakeDir(name)
	switch {
	case !refused(err):
		return err
	case s.ChangeDir(name) == nil:
		return nil
	case name == path.Dir(name):
		return err
	}
	if err := s.MakeFolders(path.Dir(name)); err != nil {
		return err
	}
	return s.MakeDir(name)
}

// RemoveFolder implements fileserver.Session.
func (s *session) RemoveFolder(name string) error { return s.RemoveDir(name) }

// Find implements fileserver.Session. Servers without MLST are asked for all that is in the folder.
func (s *session) Find(name string) (fileserver.Entry, error) {
	found, err := s.GetEntry(name)
	switch code := codeOf(err); {
	case err == nil:
		return fileserver.Entry{Name: path.Base(name), Folder: found.Type == ftp.EntryTypeFolder, Time: found.Time}, nil
	case code == ftp.StatusBadCommand || code == ftp.StatusNotImplemented:
		return s.findInList(name)
	case refused(err):
		return fileserver.Entry{}, errors.Join(fs.ErrNotExist, err)
	default:
		return fileserver.Entry{}, err
	}
}

func (s *session) findInList(name string) (fileserver.Entry, error) {
	entries, err := s.List(path.Dir(name))
	if err != nil && !refused(err) && codeOf(err) != ftp.StatusFileActionIgnored {
		return fileserver.Entry{}, err
	}
	for _, e := range entries {
		if e.Name == path.Base(name) {
			return e, nil
		}
	}
	return fileserver.Entry{}, fs.ErrNotExist
}

// List implements fileserver.Session.
func (s *session) List(folder string) ([]fileserver.Entry, error) {
	list, err := s.ServerConn.List(folder)
	if err != nil {
		return nil, err
	}
	var entries []fileserver.Entry
	for _, e := range list {
		if e.Name != "." && e.Name != ".." {
			entries = append(entries, fileserver.Entry{Name: e.Name, Folder: e.Type == ftp.EntryTypeFolder, Time: e.Time})
		}
	}
	return entries, nil
}

// Sync implements fileserver.Session. FTP has nothing of the kind.
func (s *session) Sync([]string) error { return nil }

// Close implements fileserver.Session.
func (s *session) Close() error { return s.Quit() }
