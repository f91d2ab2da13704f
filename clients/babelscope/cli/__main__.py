"""`python -m babelscope.cli`: the command line where its script is not on the path."""

from babelscope.cli import main

if __name__ == "__main__":
    main()
