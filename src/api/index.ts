/**
 * What clients and operators of a node talk to: gRPC services, health, reflection and the local HTTP port. Built on the
 * ports in ports.ts, which src/node implements; it owns no state of the ledger and decides nothing about it.
 */
export * from './errors.js';
export * from './final-block.js';
export * from './http.js';
export * from './ports.js';
export * from './server.js';
