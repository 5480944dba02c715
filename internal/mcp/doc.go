// Package mcp lets AI agents use this machine's services and knowledge base by the Model Context Protocol.
//
// [New] builds two servers, one whose tools only read and one that may also start and stop; which of them a caller gets is decided
// by its role, outside. Requests are answered without sessions, so a restart of the daemon cuts off nobody. A tool answers with
// text and the same as structured content; what goes wrong is said in the result, for the agent to read.
package mcp
