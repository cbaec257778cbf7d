# Reads what lcov says of the lines of `src`, and prints how many of them ran, by file and by folder.
# Modules of tests do not count. With `-v lines=1` it prints the lines that did not run too, with
# `-v least=92` it fails if fewer of all ran, with `-v each=90` if fewer of a folder did.

# Where the tests of a file begin, which are its end.
function end_of_code(path,    line, number, tests) {
    number = 0
    tests = 0
    while ((getline line < path) > 0) {
        number++
        if (line ~ /^mod [a-z_]+ \{$/ && before ~ /^#\[cfg\(.*test/) {
            tests = number
            break
        }
        before = line
    }
    close(path)
    return tests
}

function percent(hit, all) {
    return all ? 100 * hit / all : 100
}

function row(name, hit, all) {
    printf "%-48s %6d %6d %7.2f\n", name, all, all - hit, percent(hit, all)
}

/^SF:/ {
    file = substr($0, 4)
    sub(/^.*\/src\//, "src/", file)
    tests = end_of_code(file)
    parts = split(file, part, "/")
    # A file beside the folders is one of its own.
    folder = parts == 2 ? file : part[1] "/" part[2]
    files[++count] = file
}

/^DA:/ {
    split(substr($0, 4), data, ",")
    if (tests && data[1] >= tests) next
    ran = data[2] > 0
    all[file]++; folder_all[folder]++; total++
    hit[file] += ran; folder_hit[folder] += ran; total_hit += ran
    if (!ran) missed[file] = missed[file] " " data[1]
}

END {
    if (!total) {
        print "no line of src was looked at" > "/dev/stderr"
        exit 1
    }
    printf "%-48s %6s %6s %7s\n", "", "lines", "missed", "ran in %"
    for (i = 1; i <= count; i++) {
        file = files[i]
        if (!all[file]) continue
        row(file, hit[file], all[file])
        if (lines && missed[file]) print "   " missed[file]
    }
    print ""
    for (folder in folder_all) {
        row(folder, folder_hit[folder], folder_all[folder])
        if (percent(folder_hit[folder], folder_all[folder]) < each) short = short " " folder
    }
    row("all", total_hit, total)
    if (short) {
        print "below " each " %:" short > "/dev/stderr"
        exit 1
    }
    if (percent(total_hit, total) < least) {
        print "below " least " %" > "/dev/stderr"
        exit 1
    }
}
