package buildpackage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// headerSize is how much of a file is read. A PE file says within its first
// bytes where the header is, which compilers put into the first kilobyte.
const headerSize = 4 << 10

// machine is what a program says that it runs on. The zero value is no program:
// a script, or data.
type machine struct {
	format format
	// archs has names of architectures as Go has them; a fat Mach-O file has
	// several. A machine that Go has no name for is "machine N".
	archs []string
}

// format is how a program is stored, which an operating system has one of.
type format string

const (
	elf   format = "ELF"
	pe    format = "PE"
	machO format = "Mach-O"
)

// nativeFormat is the format of an operating system's programs.
func nativeFormat(os string) format {
	switch os {
	case "windows":
		return pe
	case "darwin", "ios":
		return machO
	}
	return elf
}

// String is the machine in a sentence.
func (m machine) String() string {
	article := "a"
	if m.format == elf {
		article = "an"
	}
	return fmt.Sprintf("%s %s program for %s", article, m.format, strings.Join(m.archs, " and "))
}

// runsOn reports whether a platform runs the program. Machines of amd64 run
// programs of 386, and every Windows does, whose portable .NET programs say
// that they are of 386.
func (m machine) runsOn(p v1.Platform) bool {
	if m.format != nativeFormat(p.OS) {
		return false
	}
	return slices.Contains(m.archs, p.Architecture) ||
		slices.Contains(m.archs, "386") && (p.Architecture == "amd64" || p.OS == "windows")
}

// readMachine looks at the beginning of a file.
func readMachine(head []byte) machine {
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return readELF(head)
	case bytes.HasPrefix(head, []byte("MZ")):
		return readPE(head)
	case len(head) >= 8:
		return readMachO(head)
	}
	return machine{}
}

// readELF reads class, byte order, type and machine
// (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html). Only
// programs and shared objects count, not what a linker takes.
func readELF(head []byte) machine {
	if len(head) < 20 {
		return machine{}
	}
	var order binary.ByteOrder = binary.LittleEndian
	big := head[5] == 2
	if big {
		order = binary.BigEndian
	}
	if kind := order.Uint16(head[16:]); kind != 2 && kind != 3 {
		return machine{}
	}
	return machine{elf, []string{elfArch(order.Uint16(head[18:]), head[4] == 2, big)}}
}

// elfArch is Go's name of an e_machine
// (https://github.com/golang/go/blob/go1.26.0/src/debug/elf/elf.go).
func elfArch(machine uint16, wide, big bool) string {
	name := func(narrowLittle, narrowBig, wideLittle, wideBig string) string {
		switch {
		case wide && big:
			return wideBig
		case wide:
			return wideLittle
		case big:
			return narrowBig
		}
		return narrowLittle
	}
	switch machine {
	case 2, 18, 43:
		return name("sparc", "sparc", "sparc64", "sparc64")
	case 3, 6:
		return "386"
	case 8:
		return name("mipsle", "mips", "mips64le", "mips64")
	case 20:
		return "ppc"
	case 21:
		return name("ppc64le", "ppc64", "ppc64le", "ppc64")
	case 22:
		return name("s390", "s390", "s390x", "s390x")
	case 40:
		return name("arm", "armbe", "arm", "armbe")
	case 62:
		return name("amd64p32", "amd64p32", "amd64", "amd64")
	case 183:
		return name("arm64", "arm64be", "arm64", "arm64be")
	case 243:
		return name("riscv", "riscv", "riscv64", "riscv64")
	case 258:
		return "loong64"
	}
	return fmt.Sprintf("machine %d", machine)
}

// readPE reads the machine of the COFF header
// (https://learn.microsoft.com/windows/win32/debug/pe-format). A program for
// DOS, or one whose header is far away, counts as data.
func readPE(head []byte) machine {
	if len(head) < 0x40 {
		return machine{}
	}
	at := int64(binary.LittleEndian.Uint32(head[0x3c:]))
	if at+6 > int64(len(head)) || !bytes.HasPrefix(head[at:], []byte("PE\x00\x00")) {
		return machine{}
	}
	var arch string
	switch n := binary.LittleEndian.Uint16(head[at+4:]); n {
	case 0x14c:
		arch = "386"
	case 0x8664:
		arch = "amd64"
	case 0x1c0, 0x1c2, 0x1c4:
		arch = "arm"
	case 0xaa64:
		arch = "arm64"
	default:
		arch = fmt.Sprintf("machine %d", n)
	}
	return machine{pe, []string{arch}}
}

// readMachO reads the header of a Mach-O file, or the table of a fat one
// (https://github.com/golang/go/blob/go1.26.0/src/debug/macho/macho.go).
func readMachO(head []byte) machine {
	magic := binary.BigEndian.Uint32(head)
	switch magic {
	case 0xfeedface, 0xfeedfacf:
		return machine{machO, []string{machoArch(binary.BigEndian.Uint32(head[4:]))}}
	case 0xcefaedfe, 0xcffaedfe:
		return machine{machO, []string{machoArch(binary.LittleEndian.Uint32(head[4:]))}}
	case 0xcafebabe:
		return readFat(head, 20)
	case 0xcafebabf:
		return readFat(head, 32)
	}
	return machine{}
}

// readFat reads a table of size bytes for each architecture. A class of Java
// begins with the same four bytes; its version, 45 and more, stands where the
// number of architectures does.
func readFat(head []byte, size int) machine {
	count := binary.BigEndian.Uint32(head[4:])
	if count == 0 || count > 20 {
		return machine{}
	}
	m := machine{format: machO}
	for i := range int(count) {
		at := 8 + i*size
		if at+4 > len(head) {
			break
		}
		if arch := machoArch(binary.BigEndian.Uint32(head[at:])); !slices.Contains(m.archs, arch) {
			m.archs = append(m.archs, arch)
		}
	}
	return m
}

func machoArch(cpu uint32) string {
	switch cpu {
	case 7:
		return "386"
	case 7 | 1<<24:
		return "amd64"
	case 12:
		return "arm"
	case 12 | 1<<24:
		return "arm64"
	case 18:
		return "ppc"
	case 18 | 1<<24:
		return "ppc64"
	}
	return fmt.Sprintf("machine %d", cpu)
}
