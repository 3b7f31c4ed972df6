/** The yardstick: fastify as it comes, echoing the body over a Unix socket. `echo.ts SOCKET` */
import fastify from 'fastify';

const app = fastify();
app.post('/echo', async (request) => request.body);
await app.listen({ path: process.argv[2] as string });
process.stdout.write('ready\n');
