/**
 * Traffic between validators: authenticated, bounded, shared fairly between classes, one stream per pair. It moves
 * bytes and says who sent them; what they mean it does not know.
 */
export { ConnectionCap, type ConnectionCapLimits } from './connection-cap.js';
export { NotRetainedError } from './bulk.js';
export { createPeerNetwork } from './network.js';
export { prepareTls } from './tls.js';
export * from './types.js';
