"""The command line: parse, make one engine call, print."""
