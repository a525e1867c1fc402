#!/usr/bin/env node
/** The `quaestor` command: starts what the arguments ask for and turns every outcome into an exit code. */
import { CommanderError } from 'commander';
import { exitCodes } from './exit-codes.js';
import { buildProgram } from './program.js';

// The gRPC library would write lines of its own to standard error; what it meets is reported by us.
process.env['GRPC_VERBOSITY'] ??= 'NONE';

// Whoever reads the output may have seen enough: `quaestor blocks list | head`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(exitCodes.ok);
  });
}

try {
  const program = await buildProgram(process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // commander has written its message already; help and version are no errors.
  process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
}
