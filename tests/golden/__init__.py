"""What C popa3d 1.0.3 says: live, and recorded for machines where it cannot be had."""
