"""What tests are written with: real servers, daemons, commands, and the faults that are done to them."""
