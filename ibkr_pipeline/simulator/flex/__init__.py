"""The Flex side of the simulated broker: statements written from the book, served over HTTP."""
