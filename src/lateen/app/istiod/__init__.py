"""What answers for istiod's pod: debug endpoints, discovery for tools, commands and logs."""
