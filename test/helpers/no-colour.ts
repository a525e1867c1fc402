/** Runs before each test file: what child processes print is compared as text, so nothing may ask them for colours. */
delete process.env['FORCE_COLOR'];
process.env['NO_COLOR'] = '1';
