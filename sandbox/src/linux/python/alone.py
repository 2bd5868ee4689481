"""One job in an interpreter of its own, where there is no fork server."""


def main():
    prelude, harness = sys.argv[1:]
    with open("main.py", "rb") as file:
        source = file.read()
    exec(compile(prelude, "<prelude>", "exec", dont_inherit=True), {"__name__": "__prelude__"})
    leave_room(FRAMES)
    run(source, harness, None, main_module(os.path.join(os.getcwd(), "main.py")))


# The script itself, main, run, execute; in older interpreters exec.
FRAMES = 4 + (sys.version_info < (3, 12))
main()
