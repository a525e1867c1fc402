/**
 * Certificates of a consortium: an authority, certificates for validators, members and operators, and whom a
 * certificate names. It writes no files and decides nothing about who may do what.
 */
export * from './authority.js';
export * from './identity.js';
