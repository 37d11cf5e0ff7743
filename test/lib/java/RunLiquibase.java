import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import liquibase.Contexts;
import liquibase.Liquibase;
import liquibase.database.Database;
import liquibase.database.DatabaseFactory;
import liquibase.database.jvm.JdbcConnection;
import liquibase.resource.DirectoryResourceAccessor;

/* RunLiquibase URL USER DIRECTORY FILE [COUNT]: update, or roll so many changesets back. */
public class RunLiquibase {
	public static void main(String[] args) throws Exception {
		try (Connection connection = DriverManager.getConnection(args[0], args[1], "")) {
			Database database = DatabaseFactory.getInstance()
				.findCorrectDatabaseImplementation(new JdbcConnection(connection));
			Liquibase liquibase = new Liquibase(args[3], new DirectoryResourceAccessor(Path.of(args[2])), database);

			if (args.length > 4)
				liquibase.rollback(Integer.parseInt(args[4]), "");
			else
				liquibase.update(new Contexts());
		}
	}
}
