package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

var (
	advapi32     = syscall.NewLazyDLL("advapi32.dll") // a KnownDLL
	getSecurity  = advapi32.NewProc("GetKernelObjectSecurity")
	setSecurity  = advapi32.NewProc("SetKernelObjectSecurity")
	fromText     = advapi32.NewProc("ConvertStringSecurityDescriptorToSecurityDescriptorW")
	errMalformed = errors.New("malformed security descriptor")
)

const (
	ownerInformation     = 1          // OWNER_SECURITY_INFORMATION
	daclInformation      = 4          // DACL_SECURITY_INFORMATION
	protectedInformation = 0x80000000 // PROTECTED_DACL_SECURITY_INFORMATION: nothing is inherited
)

// Security is what Sys of a FileInfo returns on Windows.
type Security struct {
	Owner   string // a SID, "" where it may not be known
	Ours    bool   // it is our user's, Administrators' or the system's, which make much for a user
	Trusted bool   // or the installer's
	Links   uint32 // how many names the file has
}

type info struct {
	fs.FileInfo
	mode     fs.FileMode
	identity identity
	security Security
}

func (i *info) Mode() fs.FileMode { return i.mode }
func (i *info) Sys() any          { return &i.security }

// distrusted is of a file of which we may not know whose it is, and who may write it.
func distrusted(i fs.FileInfo) fs.FileInfo {
	return &info{FileInfo: i, mode: i.Mode()&^fs.ModePerm | 0o777, security: Security{Links: 1}}
}

// secured adds to what package os tells of an open file whose it is, and who may write it.
func secured(f *file, i fs.FileInfo, links uint32) fs.FileInfo {
	descriptor, err := securityOf(syscall.Handle(f.Fd()))
	if err != nil {
		return distrusted(i)
	}
	owner, mode, err := judge(descriptor, i.IsDir())
	if err != nil {
		return distrusted(i)
	}
	if !i.IsDir() && i.Mode()&0o200 == 0 { // the attribute that nobody may write
		mode &^= 0o222
	}
	s := Security{Owner: owner, Ours: ours(owner), Links: links}
	s.Trusted = s.Ours || trusted(owner)
	return &info{i, i.Mode()&^fs.ModePerm | mode, f.identity, s}
}

// securityOf is an open file's owner and access list, as the system keeps them.
func securityOf(h syscall.Handle) ([]byte, error) {
	descriptor := make([]byte, 512)
	for {
		var needed uint32
		// #nosec G103 -- a call of the system
		ok, _, err := getSecurity.Call(uintptr(h), ownerInformation|daclInformation,
			uintptr(unsafe.Pointer(&descriptor[0])), uintptr(len(descriptor)), uintptr(unsafe.Pointer(&needed)))
		switch {
		case ok != 0:
			return descriptor, nil
		case !errors.Is(err, syscall.ERROR_INSUFFICIENT_BUFFER) || int(needed) <= len(descriptor):
			return nil, err
		}
		descriptor = make([]byte, needed)
	}
}

// setMode replaces an access list by one that says mode.
func setMode(h syscall.Handle, mode fs.FileMode, folder bool) error {
	descriptor, err := Descriptor(daclText(mode, folder))
	if err != nil {
		return err
	}
	defer runtime.KeepAlive(descriptor)
	// #nosec G103 -- a call of the system
	if ok, _, err := setSecurity.Call(uintptr(h), daclInformation|protectedInformation, uintptr(unsafe.Pointer(&descriptor[0]))); ok == 0 {
		return err
	}
	return nil
}

// attributes have what is made belong to us, and be for nobody else. nil, where perm is not
// for us alone: what the folder hands down.
func attributes(perm fs.FileMode, folder bool) *syscall.SecurityAttributes {
	if perm&0o077 != 0 {
		return nil
	}
	make := ownFile
	if folder {
		make = ownFolder
	}
	descriptor := make()
	if descriptor == nil {
		return nil // and then strict refuses what it became
	}
	var a syscall.SecurityAttributes
	a.Length = uint32(unsafe.Sizeof(a))
	a.SecurityDescriptor = uintptr(unsafe.Pointer(&descriptor[0])) // #nosec G103 -- kept by the variables below
	return &a
}

var (
	ownFile   = sync.OnceValue(func() []byte { return private(0o600, false) })
	ownFolder = sync.OnceValue(func() []byte { return private(0o700, true) })
)

func private(mode fs.FileMode, folder bool) []byte {
	descriptor, err := Descriptor("O:" + own() + daclText(mode, folder))
	if err != nil {
		return nil
	}
	return descriptor
}

// daclText is an access list that says mode. What is made in a folder is ours as well.
func daclText(mode fs.FileMode, folder bool) string {
	inherit := ""
	if folder {
		inherit = "OICI"
	}
	text := "D:P"
	if mode&0o700 != 0 {
		text += fmt.Sprintf("(A;%s;FA;;;%s)(A;%s;FA;;;SY)", inherit, own(), inherit)
	}
	if rights := rightsOf(mode, folder); rights != 0 {
		text += fmt.Sprintf("(A;;%#x;;;WD)", rights) // everyone
	}
	return text
}

// Descriptor makes a security descriptor of its text (SDDL).
func Descriptor(text string) ([]byte, error) {
	name, err := syscall.UTF16PtrFromString(text)
	if err != nil {
		return nil, err
	}
	var at *byte
	var size uint32
	// #nosec G103 -- a call of the system
	if ok, _, err := fromText.Call(uintptr(unsafe.Pointer(name)), 1, uintptr(unsafe.Pointer(&at)), uintptr(unsafe.Pointer(&size))); ok == 0 {
		return nil, err
	}
	defer syscall.LocalFree(syscall.Handle(unsafe.Pointer(at)))     // #nosec G103 -- what it has given
	return append([]byte(nil), unsafe.Slice(at, int(size))...), nil // #nosec G103 -- the same
}

// OwnUser is the SID of our process's user, which does not change.
var OwnUser = sync.OnceValues(func() (sid string, err error) {
	token, err := syscall.OpenCurrentProcessToken()
	if err != nil {
		return "", err
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return "", err
	}
	return user.User.Sid.String()
})

// own is [OwnUser], or nobody.
func own() string {
	sid, err := OwnUser()
	if err != nil {
		return ""
	}
	return sid
}

// ours says whether somebody can do to all files of ours as he likes anyway.
func ours(sid string) bool {
	const administrators, system = "S-1-5-32-544", "S-1-5-18"
	return sid != "" && (sid == own() || sid == administrators || sid == system)
}

// trusted are they, the system's installer, and those who are nobody.
func trusted(sid string) bool {
	switch sid {
	case "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464", // TrustedInstaller, whom C:\ belongs to
		"S-1-3-0", "S-1-3-4": // whoever makes a file; whoever owns this one
		return true
	}
	return ours(sid) || strings.HasPrefix(sid, "S-1-15-") // a program in a sandbox, which needs its user's rights too
}

// Rights to a file, and where they mean something else there, to a folder.
const (
	readData    = 0x1 // list
	writeData   = 0x2 // make files
	appendData  = 0x4 // make folders
	deleteChild = 0x40
	changeIt    = 0x10000 | writeDAC | 0x80000 // remove it, give itself rights, take it
	notesOnIt   = 0x10 | 0x100                 // attributes

	genericRead, genericWrite, genericAll = 0x80000000, 0x40000000, 0x10000000
)

// rightsOf are those that a mode gives to others.
func rightsOf(mode fs.FileMode, folder bool) (rights uint32) {
	if mode&0o044 != 0 {
		rights |= 0x120089 // FILE_GENERIC_READ
	}
	if mode&0o011 != 0 {
		rights |= 0x1200a0 // FILE_GENERIC_EXECUTE
	}
	if mode&0o022 != 0 {
		rights |= 0x120116 // FILE_GENERIC_WRITE
		if folder && mode&fs.ModeSticky == 0 {
			rights |= deleteChild
		}
	}
	return rights
}

// bits are what rights are as a mode's: r 4, w 2, x 1, x for folders only. keeps says that
// one who may write a folder can only add to it, as in one with the sticky bit.
func bits(rights uint32, folder bool) (rwx fs.FileMode, keeps bool) {
	if rights&genericAll != 0 {
		rights |= math.MaxUint32
	}
	if rights&(genericRead|readData) != 0 {
		rwx |= 4
		if folder {
			rwx |= 1
		}
	}
	if rights&(genericWrite|writeData|appendData|changeIt|notesOnIt) != 0 || folder && rights&deleteChild != 0 {
		rwx |= 2
	}
	return rwx, folder && rights&(changeIt|deleteChild) == 0
}

// judge says in a mode what an access list lets others do, and what it lets us. A right that
// is denied in it is counted all the same: who is in which group is not asked.
func judge(descriptor []byte, folder bool) (owner string, mode fs.FileMode, err error) {
	const present = 4 // SE_DACL_PRESENT
	if len(descriptor) < 20 {
		return "", 0, errMalformed
	}
	number := func(at int) int { return int(binary.LittleEndian.Uint32(descriptor[at:])) }
	if owner, err = sidAt(descriptor, number(4)); err != nil {
		return "", 0, err
	}
	if binary.LittleEndian.Uint16(descriptor[2:])&present == 0 || number(16) == 0 { // no list: all may do all
		return owner, 0o777, nil
	}
	var all, others uint32
	err = entries(descriptor, number(16), func(sid string, rights uint32) {
		all |= rights
		if !trusted(sid) {
			others |= rights
		}
	})
	ours, _ := bits(all, folder)
	theirs, keeps := bits(others, folder)
	if mode = ours<<6 | theirs; theirs&2 != 0 && keeps {
		mode |= fs.ModeSticky
	}
	return owner, mode, err
}

// Strangers are the SIDs to whom the access list of a file or a folder gives a right, besides our
// user and those who need none. It is empty where that cannot be read.
func Strangers(path string) (sids []string) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil
	}
	h, err := createFile(name, readControl, shareAll, nil, syscall.OPEN_EXISTING, onlyLinks)
	if err != nil {
		return nil
	}
	defer syscall.CloseHandle(h)
	descriptor, err := securityOf(h)
	if err != nil {
		return nil
	}
	return strangers(descriptor)
}

func strangers(descriptor []byte) (sids []string) {
	if len(descriptor) < 20 {
		return nil
	}
	entries(descriptor, int(binary.LittleEndian.Uint32(descriptor[16:])), func(sid string, _ uint32) {
		if sid != "" && !trusted(sid) && !slices.Contains(sids, sid) {
			sids = append(sids, sid)
		}
	})
	return sids
}

// entries calls each for what an access list allows of the thing itself.
func entries(descriptor []byte, at int, each func(sid string, rights uint32)) error {
	const inheritOnly = 8
	if at < 0 || at+8 > len(descriptor) {
		return errMalformed
	}
	n := int(binary.LittleEndian.Uint16(descriptor[at+4:]))
	for at += 8; n > 0; n-- {
		if at+8 > len(descriptor) {
			return errMalformed
		}
		kind, flags, size := descriptor[at], descriptor[at+1], int(binary.LittleEndian.Uint16(descriptor[at+2:]))
		if size < 8 || at+size > len(descriptor) {
			return errMalformed
		}
		rights := binary.LittleEndian.Uint32(descriptor[at+4:])
		switch {
		case flags&inheritOnly != 0:
		case kind == 0 || kind == 9: // ACCESS_ALLOWED, and under a condition
			sid, err := sidAt(descriptor, at+8)
			if err != nil {
				return err
			}
			each(sid, rights)
		case kind == 1 || kind == 6 || kind == 10 || kind == 12: // denied
		default:
			each("", rights) // to whom, we cannot read
		}
		at += size
	}
	return nil
}

// sidAt reads a SID and writes it as people do.
func sidAt(data []byte, at int) (string, error) {
	if at <= 0 || at+8 > len(data) || at+8+4*int(data[at+1]) > len(data) {
		return "", errMalformed
	}
	var authority uint64
	for _, b := range data[at+2 : at+8] {
		authority = authority<<8 | uint64(b)
	}
	text := "S-" + strconv.Itoa(int(data[at])) + "-" + strconv.FormatUint(authority, 10)
	for i := range int(data[at+1]) {
		text += "-" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(data[at+8+4*i:])), 10)
	}
	return text, nil
}
