package packager

import (
	"slices"
	"strconv"
	"strings"

	"github.com/wgnetifd/wgnetifd/internal/packager/apk"
	"github.com/wgnetifd/wgnetifd/internal/packager/ipk"
	"github.com/wgnetifd/wgnetifd/internal/packager/recipe"
	"github.com/wgnetifd/wgnetifd/internal/packager/tree"
)

// all is opkg's architecture of what fits every router; apk calls it noarch.
const (
	all    = "all"
	noarch = "noarch"
)

// The scripts that opkg runs. They are OpenWrt's: default_postinst enables and
// starts the services of the package and runs its own postinst, default_prerm runs
// its own prerm, then stops and, unless this is an upgrade, disables them.
const (
	ipkPostinst = `#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_postinst $0 $@
`
	ipkPrerm = `#!/bin/sh
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_prerm $0 $@
`
)

// ipkOf makes a package for opkg.
func ipkOf(p *recipe.Package, arch string, files tree.Tree, epoch int64) *ipk.Package {
	out := &ipk.Package{
		Scripts:   map[string]string{"postinst": ipkPostinst, "prerm": ipkPrerm},
		Conffiles: p.Conffiles,
		Files:     files,
		Time:      epoch,
	}
	for _, f := range []ipk.Field{
		{Name: "Package", Value: p.Name},
		{Name: "Version", Value: p.Version},
		{Name: "Depends", Value: strings.Join(p.Depends, ", ")},
		{Name: "Conflicts", Value: strings.Join(p.Conflicts, ", ")},
		{Name: "Provides", Value: strings.Join(p.Provides, ", ")},
		{Name: "Replaces", Value: strings.Join(p.Replaces, ", ")},
		{Name: "Recommends", Value: strings.Join(p.Recommends, ", ")},
		{Name: "Suggests", Value: strings.Join(p.Suggests, ", ")},
		{Name: "SourceName", Value: p.SourceName},
		{Name: "License", Value: p.License},
		{Name: "Section", Value: p.Section},
		{Name: "SourceDateEpoch", Value: strconv.FormatInt(epoch, 10)},
		{Name: "URL", Value: p.URL},
		{Name: "Maintainer", Value: p.Maintainer},
		{Name: "Architecture", Value: arch},
		{Name: "Description", Value: p.Description},
	} {
		out.Control.Set(f.Name, f.Value)
	}
	for name, text := range p.Scripts {
		switch name {
		case "postinst", "prerm": // OpenWrt's own come first, and call these
			name += "-pkg"
		}
		out.Scripts[name] = text
	}
	return out
}

// lists is where apk's packages of OpenWrt name their files, for default_postinst
// and default_prerm.
const lists = "lib/apk/packages/"

// apkOf makes a package for apk, as OpenWrt's build does: what opkg takes from its
// own database is in files of the package.
func apkOf(p *recipe.Package, arch string, files tree.Tree, epoch int64) *apk.Package {
	if arch == all {
		arch = noarch
	}
	out := &apk.Package{
		Name: p.Name, Version: p.Version, Arch: arch,
		Description: p.Description, License: p.License, Origin: p.SourceName, Maintainer: p.Maintainer, URL: p.URL,
		// apk knows no recommendations. The releases that have apk have what we
		// recommend, and it takes away what nobody depends on any more.
		Depends: slices.Concat(p.Depends, p.Recommends),
		Tags:    []string{"openwrt:section=" + p.Section},
		Scripts: apkScripts(p),
		Files:   append(tree.Tree{}, files...),
		Time:    epoch,
	}
	for _, name := range p.Provides {
		// With a version it excludes the package of that name.
		out.Provides = append(out.Provides, name+"="+p.Version)
	}
	var list strings.Builder
	for n := range files {
		if !files[n].IsDir() {
			list.WriteString("/" + files[n].Path + "\n")
		}
	}
	out.Files.Add(tree.Entry{Path: lists + p.Name + ".list", Mode: tree.File, Data: []byte(list.String())})
	if len(p.Conffiles) > 0 {
		text := strings.Join(p.Conffiles, "\n") + "\n"
		out.Files.Add(tree.Entry{Path: lists + p.Name + ".conffiles", Mode: tree.File, Data: []byte(text)})
	}
	return out
}

func apkScripts(p *recipe.Package) map[string]string {
	load := `[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
export root="${IPKG_INSTROOT}"
export pkgname="` + p.Name + `"
`
	const shell, upgrade = "#!/bin/sh\n", "export PKG_UPGRADE=1\n"
	postinst := `[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0` + "\n" + load + "add_group_and_user\ndefault_postinst\n" + body(p.Scripts["postinst"])
	out := map[string]string{
		"post-install":  shell + postinst,
		"post-upgrade":  shell + upgrade + postinst,
		"pre-deinstall": shell + load + "default_prerm\n" + body(p.Scripts["prerm"]),
	}
	if preinst := body(p.Scripts["preinst"]); preinst != "" {
		out["pre-install"], out["pre-upgrade"] = shell+preinst, shell+upgrade+preinst
	}
	if postrm := body(p.Scripts["postrm"]); postrm != "" {
		out["post-deinstall"] = shell + postrm
	}
	return out
}

// body is a script without the line that names the shell.
func body(script string) string {
	if !strings.HasPrefix(script, "#!") {
		return script
	}
	_, rest, _ := strings.Cut(script, "\n")
	return rest
}
