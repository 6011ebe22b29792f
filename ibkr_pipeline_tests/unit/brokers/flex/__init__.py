"""The Flex client."""
